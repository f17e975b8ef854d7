"""Opens images in a registry without their layers, which are downloaded when their bytes are needed."""

from dataclasses import dataclass

import msgspec

from lamella.images.content import DEEPEST, parcel_at, read_image
from lamella.images.stored import ImageError, unpack
from lamella.oci import media
from lamella.oci.image import Image, Parcel, Record, Sink, parcel_of
from lamella.oci.platforms import here, matches, spelled
from lamella.oci.reference import Reference
from lamella.oci.wire import Descriptor, Index, Platform, decode
from lamella.pipeline.outside import Outside, needed
from lamella.registry.repository import Repository


@dataclass(frozen=True)
class RemoteFile:
    """The bytes of a blob in a registry."""

    repository: Repository
    record: Record

    def blob(self, sink: Sink) -> None:
        """Pass the blob to `sink`; raise an error before the end if it is damaged."""
        record = self.record
        blob = Descriptor(media_type=record.media_type, digest=record.digest, size=record.size)
        self.repository.read_blob(blob, sink)

    def tar(self, sink: Sink) -> None:
        """Pass the tar in it to `sink`; raise an error before the end if either is damaged."""
        unpack(self.record, self.blob, sink, f"{self.record.digest} of {self.repository}")


@dataclass(frozen=True)
class RemoteBlobs:
    """The blobs of a repository."""

    repository: Repository

    def bytes_of(self, record: Record) -> RemoteFile:
        """Return the bytes, which are downloaded when they are read."""
        return RemoteFile(self.repository, record)

    def manifest(self, blob: Descriptor) -> bytes:
        """Return the manifest that `blob` names."""
        found = self.repository.manifest(blob.digest)
        if found is None:
            raise ImageError(f"{self.repository} does not have {blob.digest}, although an image there refers to it")
        return found[1]

    def __str__(self) -> str:
        return str(self.repository)


def open_remote(reference: Reference, outside: Outside | None, platform: Platform | None = None) -> Image:
    """Open the image that `reference` names; of several, the one for `platform`, by default this machine's."""
    found = find_remote(reference, outside, platform)
    if found is None:
        raise ImageError(f"there is no image {reference}")
    return found


def find_remote(reference: Reference, outside: Outside | None, platform: Platform | None = None) -> Image | None:
    """Do the same; return None if nothing has that name."""
    needful = needed(outside, str(reference))
    repository = needful.registries.repository(reference)
    found, told = repository.manifest(reference.name), None
    for _ in range(DEEPEST):
        if found is None:
            return None
        root, data = found
        if root.media_type not in media.INDEXES:
            root = msgspec.structs.replace(root, platform=told)
            return read_image(needful.nearest(RemoteBlobs(repository)), root, data)
        entry = _choose(decode(data, Index, f"the index {reference}"), platform, str(reference))
        found, told = repository.manifest(entry.digest), entry.platform
    raise ImageError(f"{reference}: indexes are nested more than {DEEPEST} deep")


def remote_parcel(reference: Reference, outside: Outside | None) -> Parcel:
    """Return everything that `reference` leads to."""
    needful = needed(outside, str(reference))
    repository = needful.registries.repository(reference)
    found = repository.manifest(reference.name)
    if found is None:
        raise ImageError(f"there is no image {reference}")
    return parcel_at(needful.nearest(RemoteBlobs(repository)), found[0])


def entries_at(reference: Reference, outside: Outside | None) -> list[Descriptor]:
    """Return the entries of an index; of an image, only itself; nothing if nothing has that name."""
    image = None
    if outside is not None:
        found = outside.registries.repository(reference).manifest(reference.name)
        if found and found[0].media_type in media.INDEXES:
            return list(decode(found[1], Index, f"the index {reference}").manifests)
        image = find_remote(reference, outside) if found else None
    return [parcel_of(image).root] if image else []


def _choose(index: Index, platform: Platform | None, origin: str) -> Descriptor:
    wanted = platform or here()
    there = [entry for entry in index.manifests if entry.platform is None or entry.platform.os != "unknown"]
    for entry in there:
        if entry.platform and matches(wanted, entry.platform):
            return entry
    if len(there) == 1 and platform is None:
        return there[0]
    has = ", ".join(spelled(entry.platform) for entry in there if entry.platform)
    raise ImageError(f"{origin} has no image for {spelled(wanted)}; it has {has or 'none'}")
