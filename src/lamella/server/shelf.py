"""A repository in the server's own bucket as a destination, for images that are made here."""

from typing import Self

from lamella.cache.publishing import arriving, mount, publish
from lamella.cache.repositories import Manifest, Repository, blob_name
from lamella.destinations.destination import Staging, put_staged
from lamella.oci.digest import Digest, DigestError, Passed, is_digest_of
from lamella.oci.image import Body, Buffer
from lamella.oci.media import is_manifest
from lamella.oci.wire import Descriptor


class Shelf:
    """A destination. A layer that any repository has already exists, and is mounted into this one."""

    keeps_whole = False

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def has(self, blob: Descriptor) -> bool:
        """Whether the bucket has the blob, in the right size; if so, this repository has it from now on.

        It counts as new from then on, so that garbage collection does not remove it during the build.
        """
        if is_manifest(blob.media_type):
            known = self._repository.manifest(blob.digest)
            if known:
                publish(self._repository, known)
            return known is not None
        item = self._repository.bucket.find(blob_name(blob.digest))
        return item is not None and item.size == blob.size and mount(self._repository, blob.digest)

    def stage(self) -> Staging:
        """Return a place to write one blob."""
        return _Staged(self._repository)

    def put(self, blob: Descriptor, body: Body) -> bool:
        """Store a blob, or a manifest whose blobs all exist."""
        if not is_manifest(blob.media_type):
            return put_staged(self, blob, body)
        data = bytearray()
        body(data.extend)
        if not is_digest_of(blob.digest, bytes(data)):
            raise DigestError(f"{len(data)} bytes were written as {blob.digest}, but have a different digest")
        publish(self._repository, Manifest(blob.digest, blob.media_type, bytes(data)))
        return True

    def tag(self, name: str, root: Descriptor, _data: bytes) -> None:
        """Point the tag `name` at the manifest `root`."""
        self._repository.tag(name, root.digest)


class _Staged:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._staged = repository.bucket.stage()
        self._passed = Passed()

    def __enter__(self) -> Self:
        self._staged.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._staged.__exit__(*raised)

    def write(self, block: Buffer) -> None:
        """Take the next bytes."""
        self._passed.add(block)
        self._staged.write(block)

    def commit(self, digest: Digest, size: int) -> None:
        """Turn what was written into the blob, if digest and size are right."""
        self._passed.check(digest, size)
        with arriving(self._repository, digest):
            self._staged.commit(blob_name(digest))
