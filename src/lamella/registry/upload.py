"""Uploads: a blob in one stream, taken up where it ended if the connection is lost, in pieces if the registry wants it.

a blob that is known     POST, then one PUT with all bytes; after a failure the rest in PATCHes
a blob while it is made  POST, one PATCH without a length, and a PUT when the digest is known
"""

import re
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from queue import SimpleQueue
from typing import Self
from urllib.parse import urlencode, urljoin

from lamella.oci.digest import Digest, DigestError
from lamella.oci.image import Body, Buffer
from lamella.oci.wire import Descriptor
from lamella.registry.errors import RegistryError
from lamella.registry.host import TRIES, Ask, Lost
from lamella.registry.repository import Repository
from lamella.registry.tokens import push

_IN_FLIGHT = 4
UPLOADING = "uploading a layer"
_CONFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})
"""How registries say that an upload was taken up at the wrong place."""

_IN_PIECES = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
"""How they say that they do not take all at once."""

_OCTETS = {"Content-Type": "application/octet-stream"}


def upload(repository: Repository, blob: Descriptor, body: Body, what: str = "") -> None:
    """Brings `blob` to `repository`; `body` gives its bytes, perhaps more than once."""
    what = what or f"the blob {blob.digest}"
    session = _Session(repository, f"{what}, {blob.size} bytes")
    tries = 0
    while True:
        before = session.offset
        try:
            if tries == 0:
                session.finish(blob.digest, body, blob.size)
            else:
                session.resume(body, blob.size)
                session.finish(blob.digest)
        except RegistryError as error:
            lost = isinstance(error.__cause__, Lost)
            tries = 1 if session.offset > before else tries + 1
            passing = lost or (tries > 1 and error.status in _CONFUSED) or error.status in _IN_PIECES
            if tries == TRIES or not passing:
                if error.status == HTTPStatus.BAD_REQUEST:
                    raise DigestError(f"what was sent to {repository} is not {blob.digest}: {error}") from error
                raise
            if repository.has_blob(blob.digest) == blob.size:
                return
            if lost:
                session.find()
            else:
                session.begin()
        else:
            return


class _Session:
    """An upload under way; `offset` is how many bytes the registry says that it has."""

    def __init__(self, repository: Repository, what: str) -> None:
        self._repository = repository
        self._what = what
        self.offset = 0
        self.begin()

    def begin(self) -> None:
        """Begins, or begins anew."""
        url = f"/v2/{self._repository.name}/blobs/uploads/"
        answer = self._repository.host.ask(self._ask("POST", url), (202,))
        self._url = urljoin(answer.url, answer.headers.get("Location") or "")
        self.offset = 0

    def find(self) -> None:
        """Asks where to go on; a session that is forgotten begins anew."""
        answer = self._repository.host.ask(self._ask("GET", self._url), (204, 200, 404))
        if answer.status == 404:
            self.begin()
        else:
            self._note(answer.url, answer.headers.get("Location"), answer.headers.get("Range"))

    def resume(self, body: Body, size: int) -> None:
        """Sends what the registry has not yet."""
        start = self.offset
        if start >= size:
            return
        headers = {**_OCTETS, "Content-Range": f"{start}-{size - 1}"}
        give = _from(body, start)
        answer = self._repository.host.ask(
            Ask("PATCH", self._url, self._what, self._scopes, headers, give=give, length=size - start), (202, 204)
        )
        self._note(answer.url, answer.headers.get("Location"), answer.headers.get("Range"))

    def stream(self, give: Callable[[Callable[[Buffer], None]], None]) -> None:
        """Sends bytes without saying how many."""
        ask = Ask("PATCH", self._url, self._what, self._scopes, _OCTETS, give=give, length=None)
        answer = self._repository.host.ask(ask, (202, 204))
        self._note(answer.url, answer.headers.get("Location"), answer.headers.get("Range"))

    def finish(self, digest: Digest, body: Body | None = None, size: int = 0) -> None:
        """Ends the upload, with all bytes in this request if a `body` is given."""
        url = self._url + ("&" if "?" in self._url else "?") + urlencode({"digest": digest})
        give = _from(body, 0) if body else None
        ask = Ask("PUT", url, self._what, self._scopes, _OCTETS, give=give, length=size)
        self._repository.host.ask(ask, (201, 204))

    def _note(self, asked: str, where: str | None, told: str | None) -> None:
        if where:
            self._url = urljoin(asked, where)
        match = re.fullmatch(r"(?:bytes=)?0-(\d+)", told or "")
        self.offset = int(match[1]) + 1 if match and match[1] != "0" else 0

    def _ask(self, method: str, url: str) -> Ask:
        return Ask(method, url, self._what, self._scopes)

    @property
    def _scopes(self) -> list[str]:
        return [push(self._repository.name)]


def _from(body: Body, start: int) -> Callable[[Callable[[Buffer], None]], None]:
    """Gives the bytes of `body` from `start` on."""

    def give(send: Callable[[Buffer], None]) -> None:
        left = start

        def take(block: Buffer) -> None:
            nonlocal left
            if left >= len(block):
                left -= len(block)
                return
            send(memoryview(block)[left:] if left else block)
            left = 0

        body(take)

    return give


class Upload:
    """A blob that goes up while it is made.

    It is sent by a thread of its own. If that fails the bytes are made on: `commit` does nothing then, and whoever
    publishes sees that the blob is not there, and sends it anew with more patience.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._blocks: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = threading.BoundedSemaphore(_IN_FLIGHT)
        self._size = 0
        self._complete = False
        self._ended = False
        self._session: _Session | None = None
        self._thread = threading.Thread(target=self._send, name=UPLOADING, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()

    def write(self, block: Buffer) -> None:
        """Takes the next bytes."""
        self._size += len(block)
        self._room.acquire()
        self._blocks.put(bytes(block))

    def commit(self, digest: Digest, size: int) -> None:
        """Ends the upload."""
        if size != self._size:
            raise DigestError(f"{self._size} bytes were written as {digest} of {size} bytes, and are something else")
        self._complete = True
        self._blocks.put(None)
        self._thread.join()
        if self._session is None:
            return
        try:
            self._session.finish(digest)
        except RegistryError as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                raise DigestError(f"what was sent to {self._repository} is not {digest}: {error}") from error

    def _remaining(self) -> Iterator[bytes]:
        """The blocks that are still to be sent, as they come."""
        while not self._ended:
            block = self._blocks.get()
            if block is None:
                self._ended = True
            else:
                self._room.release()
                yield block

    def _send(self) -> None:
        begun = False

        def give(send: Callable[[Buffer], None]) -> None:
            nonlocal begun
            if begun:
                raise ConnectionAbortedError("what was sent cannot be sent again")
            begun = True
            for block in self._remaining():
                send(block)
            if not self._complete:
                raise ConnectionAbortedError("the rest is not made")

        try:
            session = _Session(self._repository, "a layer")
            session.stream(give)
            self._session = session
        except RegistryError:
            for _ in self._remaining():
                pass
