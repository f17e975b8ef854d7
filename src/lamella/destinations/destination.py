"""What a destination is: a store of blobs named by digest, in which images have names.

    has    avoids sending what is already there
    stage  takes a blob whose digest may not be known until it has passed; it is checked, then made visible or discarded
    put    takes a blob whose digest is known: a layer, a config or a manifest
    tag    sets the name, once everything that the name leads to is there

Archives are not destinations in this sense: a stream has no memory, so they are written in one go (`archive`).
"""

from typing import Protocol, Self

from lamella.errors import LamellaError
from lamella.oci.digest import Digest
from lamella.oci.image import Body, Buffer
from lamella.oci.wire import Descriptor


class DestinationError(LamellaError):
    """An image cannot be brought to its destination."""

    exit_code = 5


class Staging(Protocol):
    """A blob on its way in; leaving without `commit` discards it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def write(self, block: Buffer, /) -> object:
        """Take the next bytes."""

    def commit(self, digest: Digest, size: int) -> None:
        """Make the blob visible; raise a `DigestError` if what was written is not `size` bytes of that digest."""


class Destination(Protocol):
    @property
    def keeps_whole(self) -> bool:
        """Whether a manifest exists only with all that it leads to, and asking for all of it would take long."""

    def has(self, blob: Descriptor) -> bool:
        """Whether the blob or manifest exists, and is complete as far as can be seen without reading it."""

    def stage(self) -> Staging:
        """Return a place for one blob. Several may be open at once, in several threads."""

    def put(self, blob: Descriptor, body: Body, /) -> bool:
        """Store `blob`, whose bytes `body` gives; return False if `body` was not needed."""

    def tag(self, name: str, root: Descriptor, data: bytes, /) -> None:
        """Name the manifest `root`, whose bytes are `data` and which must exist. An empty name is none."""


def put_staged(destination: Destination, blob: Descriptor, body: Body) -> bool:
    """The implementation of `put` for destinations that can only stage all bytes."""
    with destination.stage() as staging:
        body(staging.write)
        staging.commit(blob.digest, blob.size)
    return True
