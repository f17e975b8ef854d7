"""A repository in a registry as a destination."""

from collections.abc import Sequence

from lamella.oci import media
from lamella.oci.digest import Digest, DigestError, sha256
from lamella.oci.image import Body
from lamella.oci.wire import Descriptor
from lamella.registry.repository import Repository
from lamella.registry.streaming import StreamedUpload
from lamella.registry.upload import upload


class RegistryDestination:
    """Blobs that exist in `others`, repositories of the same registry, are mounted instead of sent."""

    keeps_whole = True

    def __init__(self, repository: Repository, others: Sequence[str] = ()) -> None:
        self.repository = repository
        self._others = [name for name in dict.fromkeys(others) if name != repository.name]
        self._new: set[Digest] = set()

    def has(self, blob: Descriptor) -> bool:
        """Whether the blob or manifest exists."""
        if media.is_manifest(blob.media_type):
            return self.repository.has_manifest(blob.digest)
        return self.repository.has_blob(blob.digest, blob.size)

    def stage(self) -> StreamedUpload:
        """Return an upload for a blob that is sent while it is made."""
        return StreamedUpload(self.repository)

    def put(self, blob: Descriptor, body: Body) -> bool:
        """Mount or send `blob`."""
        if media.is_manifest(blob.media_type):
            data = bytearray()
            body(data.extend)
            if sha256(data) != blob.digest:
                raise DigestError(f"the manifest {blob.digest} has the digest {sha256(data)}")
            self.repository.put_manifest(blob.digest, blob.media_type, bytes(data))
            self._new.add(blob.digest)
            return True
        return upload(self.repository, blob, body, self._others)

    def tag(self, name: str, root: Descriptor, data: bytes) -> None:
        """Name the manifest `root`, unless that is its name already: some registries let a tag be written only once."""
        if root.digest in self._new or self.repository.digest_of(name) != root.digest:
            self.repository.put_manifest(name, root.media_type, data)
