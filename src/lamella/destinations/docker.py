"""Docker's engine, over its own API: an image is loaded as an archive from which all is left out that it has.

Docker knows layers by the chain of diff_ids below them. A tar whose chain it has need not be in the archive; its name
in `manifest.json` is enough. So a small change to a large image is a small load.
"""

import http.client
import json
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import IO, Any, cast
from urllib.parse import quote, urlsplit

from lamella.destinations.archive import write_docker_archive
from lamella.destinations.destination import DestinationError
from lamella.destinations.publish import EXISTS, SENT, Sent
from lamella.oci.digest import Digest
from lamella.oci.image import Buffer, Image, Progress, silent

_TIMEOUT = 600.0
_LONGEST_ANSWER = 64 << 20

Chain = tuple[Digest, ...]


@dataclass(frozen=True)
class Docker:
    """The engine at `address`: `unix:///run/docker.sock`, or `tcp://HOST:PORT` without encryption."""

    address: str

    def load(self, image: Image, name: str, progress: Progress = silent) -> tuple[Sent, ...]:
        """Loads `image` as `name`, as in `app:1.0`; tells which layers the engine had.

        An engine that does not take an archive with anything left out gets all of it.
        """
        known = self._chains()
        diff_ids = tuple(layer.record.diff_id for layer in image.layers)
        there = [diff_ids[: number + 1] in known for number in range(len(diff_ids))]
        missing = {diff_id for diff_id, has in zip(diff_ids, there, strict=True) if not has}
        try:
            self._load(image, name, missing, progress)
        except DestinationError:
            if missing == set(diff_ids):
                raise
            missing = set(diff_ids)
            self._load(image, name, missing, progress)
        words = (SENT if layer.record.diff_id in missing else EXISTS for layer in image.layers)
        return tuple(Sent(layer, word) for layer, word in zip(image.layers, words, strict=True))

    def _load(self, image: Image, name: str, missing: Collection[Digest], progress: Progress) -> None:
        def give(send: Callable[[Buffer], None]) -> None:
            write_docker_archive(image, name, cast("IO[bytes]", _Pushed(send)), progress, missing)

        for line in self._post("/images/load?quiet=1", give):
            if "error" in line:
                raise DestinationError(f"Docker does not take {name}: {line['error']}")

    def _chains(self) -> set[Chain]:
        """All chains of layers that images of the engine have."""
        found: set[Chain] = set()
        for listed in self._get("/images/json"):
            told = self._get(f"/images/{quote(listed['Id'], safe=':')}/json")
            layers = tuple(Digest(layer) for layer in told.get("RootFS", {}).get("Layers") or ())
            found.update(layers[:length] for length in range(1, len(layers) + 1))
        return found

    def _get(self, path: str) -> Any:
        connection = self._connect()
        try:
            connection.request("GET", path, headers={"Host": "docker"})
            return self._read(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(error) from error
        finally:
            connection.close()

    def _post(self, path: str, give: Callable[[Callable[[Buffer], None]], None]) -> list[dict[str, Any]]:
        connection = self._connect()

        def send(block: Buffer) -> None:
            if len(block):
                connection.send(b"%x\r\n" % len(block))
                connection.send(block)
                connection.send(b"\r\n")

        try:
            connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
            for name, value in (
                ("Host", "docker"),
                ("Content-Type", "application/x-tar"),
                ("Transfer-Encoding", "chunked"),
            ):
                connection.putheader(name, value)
            connection.endheaders()
            give(send)
            connection.send(b"0\r\n\r\n")
            said = self._read(connection.getresponse(), lines=True)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(error) from error
        finally:
            connection.close()
        return cast("list[dict[str, Any]]", said)

    def _read(self, response: http.client.HTTPResponse, *, lines: bool = False) -> Any:
        data = response.read(_LONGEST_ANSWER)
        if response.status >= http.client.BAD_REQUEST:
            said = data[:300].decode(errors="replace").strip()
            raise DestinationError(f"Docker at {self.address} refuses: {response.status} {said}")
        return [json.loads(line) for line in data.splitlines() if line.strip()] if lines else json.loads(data)

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.address)
        if parts.scheme == "unix":
            return _Local(parts.path)
        if parts.scheme in ("tcp", "http") and parts.hostname:
            return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=_TIMEOUT)
        raise DestinationError(f"{self.address} is no address of Docker that can be asked; write unix:// or tcp://")

    def _lost(self, error: Exception) -> DestinationError:
        told = getattr(error, "strerror", None) or error
        return DestinationError(f"Docker at {self.address} cannot be reached: {told}; is it running?")


class _Local(http.client.HTTPConnection):
    """A connection to a socket in the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class _Pushed:
    """A file that is only written to."""

    send: Callable[[Buffer], None]

    def write(self, data: Buffer) -> int:
        self.send(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""
