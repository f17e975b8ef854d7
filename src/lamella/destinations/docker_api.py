"""Requests to Docker's engine: over a socket in the file system, TCP, TLS, or a program that `ssh` runs next to it."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from lamella.destinations.destination import DestinationError
from lamella.destinations.docker_host import DockerHost
from lamella.oci.image import Buffer
from lamella.staging import write_all

_TIMEOUT = 600.0
_LONGEST_ANSWER = 64 << 20
_BLOCK = 1 << 20

Send = Callable[[Buffer], None]


@dataclass(frozen=True)
class Engine:
    """The engine at `host`."""

    host: DockerHost

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, and so can reach servers on loopback."""
        return self.host.address.startswith("unix:")

    def get(self, path: str) -> Any:
        """Return the document at `path`."""
        with self._asked("GET", path) as response:
            return json.loads(_read(response))

    def fetch(self, path: str, out: IO[bytes]) -> None:
        """Write what is at `path` to `out`."""
        with self._asked("GET", path) as response:
            while block := response.read(_BLOCK):
                write_all(out, block)

    def do(self, method: str, path: str, give: Callable[[Send], None] | None = None) -> None:
        """Run a request whose progress the engine reports line by line; a body may be pushed."""
        with self._asked(method, path, give) as response:
            for line in _read(response).splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    if "error" in (told := json.loads(line)):
                        raise DestinationError(f"Docker reports an error: {told['error']}")

    @contextlib.contextmanager
    def _asked(
        self, method: str, path: str, give: Callable[[Send], None] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._connect()

        def send(block: Buffer) -> None:
            if len(block):
                connection.send(b"%x\r\n" % len(block))
                connection.send(block)
                connection.send(b"\r\n")

        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", "docker")
            if give:
                connection.putheader("Content-Type", "application/x-tar")
                connection.putheader("Transfer-Encoding", "chunked")
            elif method == "POST":
                connection.putheader("Content-Length", "0")
            connection.endheaders()
            if give:
                give(send)
                connection.send(b"0\r\n\r\n")
            response = connection.getresponse()
            if response.status >= http.client.BAD_REQUEST:
                raise self._refused(response)
            yield response
        except (OSError, http.client.HTTPException, ValueError) as error:
            told = getattr(error, "strerror", None) or error
            hint = "may you use it?" if isinstance(error, PermissionError) else "is it running?"
            raise DestinationError(f"Docker at {self.host.address} cannot be reached: {told}; {hint}") from error
        finally:
            connection.close()

    def _refused(self, response: http.client.HTTPResponse) -> DestinationError:
        said = response.read(_BLOCK).decode(errors="replace").strip()
        with contextlib.suppress(ValueError, KeyError, TypeError):
            said = str(json.loads(said)["message"])
        return DestinationError(f"Docker at {self.host.address} refuses: {said[:300]} ({response.status})")

    def _connect(self) -> http.client.HTTPConnection:
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


class _Piped(http.client.HTTPConnection):
    """A connection over a socket that `opened` opens."""

    def __init__(self, opened: Callable[[], socket.socket]) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._opened = opened

    def connect(self) -> None:
        self.sock = self._opened()
        self.sock.settimeout(_TIMEOUT)


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


def _read(response: http.client.HTTPResponse) -> bytes:
    return response.read(_LONGEST_ANSWER)
