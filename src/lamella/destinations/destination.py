"""What a destination is: a store of blobs named by digest, in which images have names.

    has    spares the bytes that are there
    stage  takes a blob whose digest may not be known before it has passed; it is checked, and then seen, or discarded
    put    takes a blob whose digest is known: a layer, a config or a manifest
    tag    gives the name, when all that the name leads to is there

Archives are no destinations in this sense: a stream has no memory, and so they are written in one go (`archive`).
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
        """Takes the next bytes."""

    def commit(self, digest: Digest, size: int) -> None:
        """Makes the blob visible, if what was written is `size` bytes of that digest; a `DigestError` if not."""


class Destination(Protocol):
    def has(self, blob: Descriptor) -> bool:
        """Whether the blob or manifest is there, whole as far as a look can tell."""

    def stage(self) -> Staging:
        """A place for one blob. Several may be open at once, in several threads."""

    def put(self, blob: Descriptor, body: Body, /) -> bool:
        """Stores `blob`, of which `body` gives the bytes; False if they were had without it."""

    def tag(self, name: str, root: Descriptor) -> None:
        """Names the manifest `root`, which is there. An empty name is the one of an image without a name."""


def put_staged(destination: Destination, blob: Descriptor, body: Body) -> bool:
    """What `put` is where nothing is cleverer than to stage all bytes."""
    with destination.stage() as staging:
        body(staging.write)
        staging.commit(blob.digest, blob.size)
    return True
