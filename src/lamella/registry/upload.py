"""Uploading a known blob in one stream; after a failure, in chunks from where the registry says that it stopped.

a mount if another repository has it; otherwise POST, and one PUT with all bytes
then, if necessary: GET for the offset, PATCH for each chunk of the rest, PUT
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from lamella.oci.digest import DigestError
from lamella.oci.image import Body, Buffer
from lamella.oci.wire import Descriptor
from lamella.registry.errors import RegistryError
from lamella.registry.repository import Repository
from lamella.registry.session import Session
from lamella.transport.retry import TRIES
from lamella.words import size as sized

_CHUNKS = (16 << 20, 4 << 20, 1 << 20)
"""How many bytes go in one request when not all do; smaller ones if a proxy rejects these as too large."""

_PROGRESS = 1 << 20
DAMAGED = "DIGEST_INVALID"
"""How registries say that bytes do not match their digest."""

_ANEW = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""How registries say that they lost track of an upload, or do not accept all bytes at once."""


def upload(repository: Repository, blob: Descriptor, body: Body, sources: Sequence[str] = ()) -> bool:
    """Upload `blob` to `repository`; return False if it could be mounted from one of `sources` instead.

    `body` gives the blob's bytes, and may be called more than once.
    """
    session = Session(repository, f"the blob {blob.digest} ({sized(blob.size)})")
    if any(session.mount(blob.digest, source) for source in sources):
        return False
    try:
        _Sending(repository, session, blob, body).send()
    except BaseException:
        session.cancel()
        raise
    return True


class _Sending:
    """One blob being uploaded."""

    def __init__(self, repository: Repository, session: Session, blob: Descriptor, body: Body) -> None:
        self._repository = repository
        self._session = session
        self._blob = blob
        self._body = body
        self._chunk = 0
        """How many bytes go in one request; 0 means all."""
        self._tries = 0
        self._furthest = 0
        self._damaged = False

    def send(self) -> None:
        """Send all bytes, retrying within reason."""
        while True:
            self._session.open()
            try:
                self._send_rest()
            except RegistryError as error:
                unsure = error.passing or error.status in _ANEW
                if unsure and self._repository.has_blob(self._blob.digest, self._blob.size):
                    return
                self._mend(error)
            else:
                return

    def _send_rest(self) -> None:
        session, blob = self._session, self._blob
        if not self._chunk:
            session.finish(blob.digest, self._checked(0), blob.size)
            return
        chunks = _Chunks(self._patch, max(self._chunk, session.least))
        if session.offset < blob.size:
            self._checked(session.offset)(chunks.write)
        chunks.end()
        session.finish(blob.digest)

    def _patch(self, data: memoryview) -> None:
        """Send one chunk, which the registry may accept in several parts."""
        session = self._session
        start = session.offset
        while (done := session.offset - start) < len(data):
            if done < 0 or not session.is_open:
                raise RegistryError(f"{self._repository} has forgotten the upload of {self._blob.digest}", 404)
            try:
                session.patch(data[done:])
                if session.offset - start <= done:
                    raise RegistryError(
                        f"{self._repository} accepts no more bytes of {self._blob.digest}", passing=True
                    )
            except RegistryError as error:
                if not error.passing:
                    raise
                self._be_patient(error)
                session.find()

    def _mend(self, error: RegistryError) -> None:
        """Prepare to continue after `error`, if that can succeed; raise an error if not."""
        if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            if not self._with_smaller_chunks():
                raise self._too_large(error) from error
            self._session.cancel()
            return
        damaged, self._damaged = self._damaged, DAMAGED in str(error)
        if self._damaged and (damaged or not self._chunk):
            raise DigestError(f"what was sent to {self._repository} is not {self._blob.digest}: {error}") from error
        if not error.passing and error.status not in _ANEW:
            raise error
        self._be_patient(error)
        self._chunk = self._chunk or _CHUNKS[0]
        if error.passing:
            self._session.find()
        else:
            self._session.cancel()

    def _be_patient(self, error: RegistryError) -> None:
        """Wait; give up if several tries in a row have made almost no progress."""
        step = max(_PROGRESS, self._blob.size // 100)
        if self._session.offset >= self._furthest + step:
            self._furthest, self._tries = self._session.offset, 0
        self._tries += 1
        if self._tries >= TRIES:
            raise error
        self._repository.host.wait(self._tries, error.retry_after)

    def _with_smaller_chunks(self) -> bool:
        """Whether smaller chunks are possible: a proxy may limit requests where the registry does not limit blobs."""
        if self._session.offset:
            return False
        before = max(self._chunk, self._session.least) if self._chunk else self._blob.size
        smaller = [chunk for chunk in _CHUNKS if max(chunk, self._session.least) < before]
        self._chunk = smaller[0] if smaller else self._chunk
        return bool(smaller)

    def _too_large(self, error: RegistryError) -> RegistryError:
        size = sized(self._blob.size)
        message = f"{error}; {size} is more than {self._repository.host.name} accepts: split the layer with max_bytes"
        return RegistryError(message, error.status)

    def _checked(self, start: int) -> Body:
        """The blob's bytes from `start` on, checked to be exactly as many as there should be."""
        size, digest = self._blob.size, self._blob.digest

        def body(sink: Callable[[Buffer], object]) -> None:
            seen = 0

            def take(block: Buffer) -> None:
                nonlocal seen
                view = memoryview(block).cast("B")
                wanted = view[max(start - seen, 0) : max(size - seen, 0)]
                seen += len(view)
                if wanted:
                    sink(wanted)

            self._body(take)
            if seen != size:
                raise DigestError(f"what should be {digest} has {seen} bytes instead of {size}")

        return body


class _Chunks:
    """Collects bytes into chunks; each is kept until it has been sent."""

    def __init__(self, send: Callable[[memoryview], None], size: int) -> None:
        self._send = send
        self._size = size
        self._held = bytearray()

    def write(self, block: Buffer) -> None:
        """Take the next bytes."""
        view = memoryview(block)
        while view:
            room = self._size - len(self._held)
            self._held += view[:room]
            view = view[room:]
            if len(self._held) == self._size:
                self.end()

    def end(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._send(memoryview(held))
