"""Uploading a blob while it is made: POST, one PATCH without a length, and a PUT when the digest is known."""

import threading
from collections.abc import Iterator
from http import HTTPStatus
from queue import SimpleQueue
from typing import Self

from lamella.oci.digest import Digest, DigestError
from lamella.oci.image import Buffer, Sink
from lamella.registry.errors import RegistryError
from lamella.registry.repository import Repository
from lamella.registry.session import Session
from lamella.registry.upload import DAMAGED
from lamella.transport.errors import LostError

UPLOADING = "uploading a layer"
_IN_FLIGHT = 4
_NEVER = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class StreamedUpload:
    """A blob that is uploaded while it is made.

    A thread of its own sends it. If that fails, making the blob goes on: `commit` then does nothing, and publishing
    later finds the blob missing and sends it again with more patience. If the registry does not let us write at all,
    that is reported at once.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._blocks: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = threading.BoundedSemaphore(_IN_FLIGHT)
        self._size = 0
        self._complete = False
        self._ended = False
        self._session = Session(repository, "a layer that is being made")
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._send, name=UPLOADING, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()
        self._session.cancel()

    def write(self, block: Buffer) -> None:
        """Take the next bytes."""
        self._size += len(block)
        self._room.acquire()
        self._give_up_if_hopeless()
        self._blocks.put(bytes(block))

    def commit(self, digest: Digest, size: int) -> None:
        """Finish the upload."""
        if size != self._size:
            raise DigestError(f"{self._size} bytes were written as {digest}, which has {size} bytes")
        self._complete = True
        self._blocks.put(None)
        self._thread.join()
        self._give_up_if_hopeless()
        if self._failed:
            return
        arrived = self._session.offset
        try:
            self._session.finish(digest)
        except RegistryError as error:
            if DAMAGED in str(error) and arrived in (0, size):
                raise DigestError(f"what was sent to {self._repository} is not {digest}: {error}") from error

    def _give_up_if_hopeless(self) -> None:
        error = self._failed
        if error and (not isinstance(error, RegistryError) or error.status in _NEVER):
            raise error

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

        def give(send: Sink) -> None:
            nonlocal begun
            if begun:
                raise LostError("what was sent is not kept")
            begun = True
            for block in self._remaining():
                send(block)
            if not self._complete:
                raise LostError("the rest is not made")

        try:
            self._session.open()
            self._session.stream(give)
        except Exception as error:
            self._failed = error
            for _ in self._remaining():
                pass
