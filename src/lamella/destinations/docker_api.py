"""Requests to Docker's engine: over a socket in the file system, TCP, TLS, or a program that `ssh` runs next to it."""

import contextlib
import http.client
import json
import math
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from lamella.destinations.archive import write_out
from lamella.destinations.destination import DestinationError
from lamella.destinations.docker_host import DockerHost
from lamella.oci.image import Body
from lamella.transport.connections import Exchange, Response, has_ended
from lamella.transport.errors import LostError

_TIMEOUT = 600.0
_LONGEST_ANSWER = 64 << 20
_BLOCK = 1 << 20


class _MissingError(DestinationError):
    """The engine does not have what is requested."""


@dataclass(frozen=True)
class Engine:
    """The engine at `host`."""

    host: DockerHost

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, and so can reach servers on loopback."""
        return self.host.address.startswith("unix:")

    @contextlib.contextmanager
    def reached(self) -> Iterator["Requests"]:
        """Requests that share a connection: over ssh, each new one costs a login."""
        connection = self._connection()
        try:
            yield Requests(connection, self.host.address)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.host.address)
        if parts.scheme == "unix":
            return _Piped(lambda: _local(parts.path))
        if parts.scheme == "ssh" and parts.hostname:
            return _Piped(lambda: _beside(self.host.address))
        if parts.scheme in ("tcp", "http", "https") and parts.hostname:
            folder = self.host.certificates
            if folder is None and parts.scheme != "https":
                return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=_TIMEOUT)
            context = ssl.create_default_context(cafile=_found(folder, "ca.pem"))
            if own := _found(folder, "cert.pem"):
                context.load_cert_chain(own, _found(folder, "key.pem"))
            return http.client.HTTPSConnection(parts.hostname, parts.port or 2376, timeout=_TIMEOUT, context=context)
        raise DestinationError(f"{self.host.address} is not an address of Docker; write unix://, tcp:// or ssh://")


class Requests:
    """Requests to the engine at `address`, one after the other."""

    def __init__(self, connection: http.client.HTTPConnection, address: str) -> None:
        self._connection = connection
        self._address = address

    def get(self, path: str) -> Any:
        """Return the document at `path`; None if there is none."""
        try:
            with self._asked("GET", path) as response:
                return json.loads(_read(response))
        except _MissingError:
            return None
        except ValueError as error:
            raise DestinationError(f"Docker at {self._address} gives an unreadable answer for {path}") from error

    def fetch(self, path: str, out: IO[bytes]) -> None:
        """Write what is at `path` to `out`."""
        buffer = memoryview(bytearray(_BLOCK))
        with self._asked("GET", path) as response:
            while count := response.readinto(buffer):
                write_out(out, buffer[:count])

    def do(self, method: str, path: str, archive: Body | None = None) -> None:
        """Run a request whose progress the engine reports line by line; an `archive` may be sent with it."""
        with self._asked(method, path, archive) as response:
            for line in _read(response).splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    if "error" in (told := json.loads(line)):
                        raise DestinationError(f"Docker reports an error: {told['error']}")
            if response.lost:
                raise response.lost

    @contextlib.contextmanager
    def _asked(self, method: str, path: str, archive: Body | None = None) -> Iterator[Response]:
        if has_ended(self._connection):
            self._connection.close()
        exchange = Exchange(self._connection, path, {"Host": "docker"}, _TIMEOUT)
        headers = {"Content-Type": "application/x-tar"} if archive else {}
        try:
            response = exchange.request(method, headers, archive, None if archive else 0)
            if response.status >= http.client.BAD_REQUEST:
                raise self._refused(response)
            yield response
        except LostError as error:
            raise DestinationError(f"Docker at {self._address} {_lost(error)}") from error
        finally:
            if not (exchange.response and exchange.response.reusable):
                self._connection.close()

    def _refused(self, response: Response) -> DestinationError:
        said = _read(response).decode(errors="replace").strip()
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = str(json.loads(said)["message"])
        kind = _MissingError if response.status == http.client.NOT_FOUND else DestinationError
        return kind(f"Docker at {self._address} refuses: {said[:300]} ({response.status})")


class _Piped(http.client.HTTPConnection):
    """A connection over a socket that `opened` opens."""

    def __init__(self, opened: Callable[[], socket.socket]) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._opened = opened

    def connect(self) -> None:
        self.sock = self._opened()


def _found(folder: Path | None, name: str) -> str | None:
    return str(folder / name) if folder and (folder / name).exists() else None


def _local(path: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.connect(path)
    except OSError:
        found.close()
        raise
    return found


def _beside(address: str) -> socket.socket:
    """A socket to `docker system dial-stdio` on the machine of `address`; that ends with the connection."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = ["ssh", "-o", "ConnectTimeout=30", "-T", "--", address, "docker", "system", "dial-stdio"]
        subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), start_new_session=True)
    return ours


def _read(response: Response) -> bytes:
    return response.read(_LONGEST_ANSWER, math.inf)


def _lost(error: LostError) -> str:
    cause = error.__cause__
    if isinstance(cause, BrokenPipeError) or type(cause) is ConnectionResetError:
        return f"hangs up: {error}"
    return f"cannot be reached: {error}; {'may you use it' if isinstance(cause, PermissionError) else 'is it running'}?"
