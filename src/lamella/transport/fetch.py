"""Files and documents on other machines: downloaded whole, resumed, or in part."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from lamella.oci.image import Buffer, Sink
from lamella.transport.connections import Connections, Response, Settings, shown, split
from lamella.transport.credential import Credential, of_indexes, of_netrc
from lamella.transport.errors import BeyondError, ForbiddenError, GoneError, LostError, TransportError
from lamella.transport.retry import PASSING, TRIES, wait

T = TypeVar("T")
Stored = Callable[[str, str, Mapping[str, str]], tuple[str, str] | None]
"""Asks other programs for the name and password for an address, given the name if known, and the environment."""

_LONGEST_DOCUMENT = 256 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_TURNS = 8
_BLOCK = 1 << 20
_TWICE, _GOOD = 2, 2
_WHOLE, _PART, _UNKNOWN, _FORBIDDEN, _BEYOND = 200, 206, 401, 403, 416
_LOGIN = "put NAME:PASSWORD@ into its address, use netrc, or run uv auth login"


class _BusyError(Exception):
    """The other side is busy, and wants the request later."""


class Fetcher:
    """Downloads from addresses: `http`, `https`, `file` and `s3`. Safe to use from any number of threads."""

    def __init__(
        self, settings: Settings, pause: Callable[[float], None] = time.sleep, stored: Stored = lambda *_: None
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._known: dict[tuple[str, str], Credential | None] = {}
        self._lock = threading.Lock()
        self._connections = Connections(settings)
        self._pause = pause

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._connections.close()

    def document(self, url: str) -> bytes:
        """Return a whole document, which must not be large."""
        if url.startswith("file:"):
            with _explained(url):
                return _local(url).read_bytes()
        if url.startswith("s3:"):
            found = bytearray()
            self._from_bucket(url, found.extend, 0)
            return bytes(found)

        def take(response: Response) -> bytes:
            data = response.read(_LONGEST_DOCUMENT + 1, self._settings.patience)
            if len(data) > _LONGEST_DOCUMENT:
                raise TransportError(f"{shown(url)} is too large: more than {_LONGEST_DOCUMENT >> 20} MiB")
            return data

        return self._patiently(url, lambda: self._once(url, {}, take))

    def part(self, url: str, count: int, at: int | None = None) -> tuple[bytes, int] | None:
        """`count` bytes from `at`, or the last ones, and the total length; None if only the whole file is available."""
        if url.startswith("file:"):
            with _explained(url), _local(url).open("rb") as file:
                length = file.seek(0, 2)
                file.seek(max(0, length - count) if at is None else at)
                return file.read(count), length
        wanted = f"bytes=-{count}" if at is None else f"bytes={at}-{at + count - 1}"

        def take(response: Response) -> tuple[bytes, int] | None:
            told = response.header("Content-Range").rpartition("/")[2]
            if response.status != _PART or not told.isdigit():
                return None
            return response.read(count, self._settings.patience), int(told)

        return self._patiently(url, lambda: self._once(url, {"Range": wanted}, take))

    def download(self, url: str, sink: Sink, start: int = 0) -> None:
        """Push all bytes from `start` on to `sink`; lost connections are resumed.

        If the other side sends only whole files, the bytes that are already known are skipped.
        """
        if url.startswith("file:"):
            with _explained(url), _local(url).open("rb") as file:
                file.seek(start)
                while block := file.read(_BLOCK):
                    sink(block)
            return
        if url.startswith("s3:"):
            self._from_bucket(url, sink, start)
            return
        passed = start
        tries = 0

        def count(block: Buffer) -> None:
            nonlocal passed, tries
            sink(block)
            passed += memoryview(block).nbytes
            tries = 0

        def take(response: Response) -> None:
            _copy(response, count, 0 if response.status == _PART else passed)

        while True:
            headers = {"Range": f"bytes={passed}-"} if passed else {}
            try:
                self._once(url, headers, take)
            except (LostError, _BusyError) as error:
                tries += 1
                self._wait(url, tries, error)
            else:
                return

    def has(self, url: str) -> bool:
        """Whether there is something at an address."""
        if url.startswith("file:"):
            return _local(url).exists()
        if url.startswith("s3:"):
            from lamella.transport import objects

            return objects.has(url, self._settings.environment)
        try:
            return self._patiently(url, lambda: self._once(url, {}, lambda _: True, "HEAD"))
        except GoneError:
            return False

    def put(self, url: str, file: Path, media_type: str) -> None:
        """Send a file to an address that accepts PUT, or to a bucket."""
        if url.startswith("s3:"):
            from lamella.transport import objects

            objects.put(url, self._settings.environment, file)
        else:
            self._patiently(url, lambda: self._put(url, file, media_type))

    def _put(self, url: str, file: Path, media_type: str) -> None:
        for _ in range(_TWICE):
            used = self._authorization(urlsplit(url))
            headers = {"Content-Type": media_type, **used}
            with self._connections.exchange(url) as exchange, file.open("rb", buffering=0) as source:

                def give(send: Sink) -> None:
                    while block := source.read(_BLOCK):
                        send(block)

                response = exchange.request("PUT", headers, give, file.stat().st_size)
                with contextlib.suppress(LostError):
                    response.read(1 << 16, self._settings.patience)
            if response.status in PASSING:
                raise _BusyError(response.header("Retry-After"))
            if response.status // 100 == _GOOD:
                if response.lost:
                    raise response.lost
                return
            if response.status == _FORBIDDEN:
                raise TransportError(f"{shown(url)} requires a login that may write there: {_LOGIN}")
            if response.status != _UNKNOWN or not self._learn(urlsplit(url), used):
                raise _refusal(url, response.status)

    def _from_bucket(self, url: str, sink: Sink, start: int) -> None:
        from lamella.transport import objects

        objects.get(url, self._settings.environment, sink, start)

    def _patiently(self, url: str, once: Callable[[], T]) -> T:
        tries = 0
        while True:
            try:
                return once()
            except (LostError, _BusyError) as error:
                tries += 1
                self._wait(url, tries, error)

    def _wait(self, url: str, tries: int, error: Exception) -> None:
        busy = isinstance(error, _BusyError)
        if tries >= TRIES or (not busy and isinstance(error.__cause__, OSError) and _is_for_good(error.__cause__)):
            said = "is busy; try again later" if busy else f"cannot be reached: {error}"
            raise TransportError(f"{shown(url)} {said}") from error
        self._pause(wait(str(error) if busy else "", tries))

    def _once(self, url: str, headers: Mapping[str, str], take: Callable[[Response], T], method: str = "GET") -> T:
        here = url
        for _ in range(_MOST_TURNS):
            with self._connections.exchange(here) as exchange:
                used = self._authorization(urlsplit(here))
                response = exchange.request(method, {**headers, **used})
                if response.status in (_WHOLE, _PART):
                    return take(response)
                with contextlib.suppress(LostError):
                    response.read(1 << 16, self._settings.patience)
            if response.status == _UNKNOWN and self._learn(urlsplit(here), used):
                continue
            if response.status in PASSING:
                raise _BusyError(response.header("Retry-After"))
            to = response.header("Location")
            if response.status not in _REDIRECTS or not to:
                raise _refusal(here, response.status)
            there = split(urljoin(here, to))
            if there.scheme == "http" and urlsplit(here).scheme == "https":
                raise TransportError(f"{shown(here)} redirects to {shown(to)}, which is not encrypted")
            here = there.geturl()
        raise TransportError(f"{shown(url)} redirects too many times")

    def _authorization(self, url: SplitResult) -> dict[str, str]:
        """The credential from the address itself, an index's address, what other programs answered, or netrc."""
        told = self._settings.environment
        found = of_indexes(url, told)
        if not (found and found.password):
            found = self._known.get((url.scheme, url.netloc)) or of_netrc(url.hostname or "", told) or found
        if url.username is not None:
            found = Credential(unquote(url.username), unquote(url.password or ""))
        return {"Authorization": found.basic} if found else {}

    def _learn(self, url: SplitResult, used: Mapping[str, str]) -> bool:
        """Ask other programs, once per host, for the credential of one that rejected `used`; False if that is all."""
        if url.username is not None:
            return False
        with self._lock:
            if (url.scheme, url.netloc) not in self._known:
                told = self._settings.environment
                by_index = of_indexes(url, told)
                answer = self._stored(url.geturl(), by_index.username if by_index else "", told)
                self._known[url.scheme, url.netloc] = Credential(*answer) if answer else None
        return self._authorization(url) != used


def _copy(response: Response, sink: Sink, skip: int) -> None:
    buffer = memoryview(bytearray(_BLOCK))
    while count := response.readinto(buffer):
        if skip >= count:
            skip -= count
            continue
        sink(buffer[skip:count])
        skip = 0


def _local(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GoneError(f"{url} cannot be read: {error.strerror}") from error


def _refusal(url: str, status: int) -> TransportError:
    if status in (404, 410):
        return GoneError(f"there is nothing at {shown(url)} (any more)")
    if status == _UNKNOWN:
        return TransportError(f"{shown(url)} requires a login: {_LOGIN}")
    if status == _FORBIDDEN:
        return ForbiddenError(f"{shown(url)} does not exist, or requires a login that may read it: {_LOGIN}")
    if status == _BEYOND:
        return BeyondError(f"{shown(url)} is shorter than it was")
    return TransportError(f"{shown(url)} answers {status}")


def _is_for_good(cause: OSError) -> bool:
    return isinstance(cause, (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError))
