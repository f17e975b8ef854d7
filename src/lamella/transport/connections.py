"""HTTP connections that are kept and reused: TLS, proxies, and bodies that are pushed block by block as they are made.

`http.client` takes pushed bytes as they come; libraries on top of it pull, and would need a thread in between. Every
failure of a connection becomes a `LostError` here, so that a failing disk is not mistaken for a failing registry.
"""

import contextlib
import http.client
import select
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, quote, unquote, urlsplit

from lamella.oci.image import Body, Buffer
from lamella.transport.certificates import FOLDERS, context_for
from lamella.transport.credential import Credential
from lamella.transport.errors import LostError, TransportError
from lamella.transport.proxies import proxy_for

if TYPE_CHECKING:
    import socket
    from pathlib import Path

_TO_CONNECT = 20.0


@dataclass(frozen=True)
class Settings:
    """How registries are reached. `insecure` allows plain http and untrusted certificates."""

    insecure: bool = False
    ca_file: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificates: "tuple[Path, ...]" = FOLDERS
    timeout: float = 60.0
    """Seconds without a byte after which a connection counts as lost."""
    patience: float = 300.0
    """Seconds after which a document that is still arriving counts as lost."""


class Response:
    """The head of an answer, and its body as it arrives."""

    def __init__(self, inner: http.client.HTTPResponse) -> None:
        self._inner = inner
        self.status = inner.status
        self.headers = inner.headers
        self.lost: LostError | None = None
        """How the connection failed if this answer came before the request was complete."""

    def header(self, name: str) -> str:
        """A header's value; empty if it is missing."""
        return self.headers.get(name) or ""

    def readinto(self, buffer: memoryview) -> int:
        """Read the next bytes of the body; 0 only at its real end, not where the connection happens to end."""
        with _losing():
            count = self._inner.readinto(buffer)
        if not count and self._inner.length:
            raise LostError("the connection ended in the middle")
        return count

    def read(self, limit: int, patience: float) -> bytes:
        """Read the body up to `limit` bytes; it must not take longer than `patience` seconds."""
        until = time.monotonic() + patience
        found = bytearray()
        buffer = memoryview(bytearray(min(limit, 1 << 16)))
        while len(found) < limit and (count := self.readinto(buffer[: limit - len(found)])):
            found += buffer[:count]
            if time.monotonic() > until:
                raise LostError(f"its answer still has no end after {patience:.0f} s")
        return bytes(found)

    def close(self) -> None:
        """Release the connection, which belongs to the answer if the answer ends it."""
        self._inner.close()

    @property
    def reusable(self) -> bool:
        """Whether the connection can be reused: both bodies have passed, and neither side wants to close."""
        return self._inner.isclosed() and not self._inner.will_close and not self.lost


class Exchange:
    """One request and its answer."""

    def __init__(
        self, connection: http.client.HTTPConnection, target: str, headers: Mapping[str, str], timeout: float
    ) -> None:
        self._connection = connection
        self._target = target
        self._headers = headers
        self._timeout = timeout
        self._chunked = False
        self._between = b""
        self.response: Response | None = None

    def request(
        self, method: str, headers: Mapping[str, str], body: Body | None = None, length: int | None = 0
    ) -> Response:
        """Send a request, and return the head of the answer. A body of unknown `length` (None) is sent in chunks.

        A server that refuses a body may answer and end the connection before all of it is sent; that answer counts.
        """
        try:
            self._start(method, headers, length)
            if body:
                body(self._send)
            with _losing():
                if self._chunked:
                    self._connection.send(self._between + b"0\r\n\r\n")
                return self._answer()
        except LostError as error:
            if not isinstance(error.__cause__, (BrokenPipeError, ConnectionResetError)):
                raise
            with contextlib.suppress(OSError, http.client.HTTPException):
                response = self._answer()
                response.lost = error
                return response
            raise

    def _start(self, method: str, headers: Mapping[str, str], length: int | None = 0) -> None:
        put = self._connection.putheader
        with _losing():
            if self._connection.sock is None:
                self._connection.connect()
                connected = cast("socket.socket", self._connection.sock)
                connected.settimeout(self._timeout)
            self._connection.putrequest(method, self._target, skip_host=True, skip_accept_encoding=True)
            for name, value in {**self._headers, **headers}.items():
                put(name, value)
            self._chunked = length is None
            if length is None:
                put("Transfer-Encoding", "chunked")
            elif length or method not in ("GET", "HEAD", "DELETE"):
                put("Content-Length", str(length))
            self._connection.endheaders()

    def _send(self, block: Buffer) -> None:
        size = memoryview(block).nbytes
        with _losing():
            if not self._chunked:
                self._connection.send(block)
            elif size:
                self._connection.send(b"%b%x\r\n" % (self._between, size))
                self._connection.send(block)
                self._between = b"\r\n"

    def _answer(self) -> Response:
        self.response = Response(self._connection.getresponse())
        return self.response


class Connections:
    """Connections to any number of hosts; a thread that needs one takes an idle one, or a new one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: defaultdict[tuple[str, str], list[http.client.HTTPConnection]] = defaultdict(list)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def exchange(self, url: str) -> Iterator[Exchange]:
        """An exchange with the host of `url`. The connection is kept if the answer was read to its end."""
        parts = split(url)
        proxy = proxy_for(parts, self._settings.environment)
        host = parts.netloc.rpartition("@")[2]
        headers = {"Host": host, "User-Agent": "lamella"}
        target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
        if proxy and parts.scheme == "http":
            target = f"http://{host}{target}"
            headers |= _to_proxy(proxy)
        key = (parts.scheme, host)
        connection = self._take(key) or self._connect(parts, proxy)
        exchange = Exchange(connection, target, headers, self._settings.timeout)
        keep = False
        try:
            yield exchange
            keep = exchange.response is not None and exchange.response.reusable
        finally:
            if keep:
                with self._lock:
                    self._idle[key].append(connection)
            else:
                connection.close()
                if exchange.response:
                    exchange.response.close()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for connection in (one for idle in self._idle.values() for one in idle):
                connection.close()
            self._idle.clear()

    def _take(self, key: tuple[str, str]) -> http.client.HTTPConnection | None:
        """An idle connection that the other side has not closed in the meantime."""
        with self._lock:
            idle = self._idle[key]
            while idle:
                connection = idle.pop()
                if not has_ended(connection):
                    return connection
                connection.close()
        return None

    def _connect(self, url: SplitResult, proxy: SplitResult | None) -> http.client.HTTPConnection:
        to = proxy or url
        port = to.port or (80 if proxy else None)
        timeout = min(self._settings.timeout, _TO_CONNECT)
        if url.scheme == "http":
            return http.client.HTTPConnection(to.hostname or "", port, timeout=timeout)
        context = self._context(url.netloc.rpartition("@")[2])
        connection = http.client.HTTPSConnection(to.hostname or "", port, timeout=timeout, context=context)
        if proxy:
            connection.set_tunnel(url.hostname or "", url.port or 443, _to_proxy(proxy))
        return connection

    def _context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                told = self._settings
                self._contexts[host] = context_for(host, told.certificates, told.ca_file, insecure=told.insecure)
            return self._contexts[host]


_KEPT = "%/:=&?~#+!$,;'@()*[]"
"""Characters that stay as they are in an address; signed addresses must not change."""


def split(url: str) -> SplitResult:
    """The parts of an address that came from a registry."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and parts.netloc.isascii()
    except ValueError:
        usable = False
    if not usable:
        raise TransportError(f"{shown(url)!r} is not a usable address")
    return parts


def shown(url: str) -> str:
    """An address without the parts that may be secret."""
    bare = url.partition("?")[0].partition("#")[0]
    scheme, mark, rest = bare.partition("://")
    return scheme + mark + rest.rpartition("@")[2] if mark else bare


@contextlib.contextmanager
def _losing() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise LostError(str(getattr(error, "strerror", None) or error or type(error).__name__)) from error
    except ValueError as error:
        raise TransportError(f"a request cannot be written: {type(error).__name__}") from error


def _to_proxy(proxy: SplitResult) -> dict[str, str]:
    credential = Credential(unquote(proxy.username or ""), unquote(proxy.password or ""))
    return {"Proxy-Authorization": credential.basic} if proxy.username else {}


def has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether something arrived on an idle connection, which can only be its end."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
