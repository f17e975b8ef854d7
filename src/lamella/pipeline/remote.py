"""Images in a registry, opened without their layers: those are fetched when their bytes are asked for."""

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
class RemoteBytes:
    """A blob's bytes in a registry."""

    repository: Repository
    record: Record

    def blob(self, sink: Sink) -> None:
        """The blob; damage is found out before the end."""
        record = self.record
        blob = Descriptor(media_type=record.media_type, digest=record.digest, size=record.size)
        self.repository.read_blob(blob, sink)

    def tar(self, sink: Sink) -> None:
        """The tar in it; damage of either is found out before the end."""
        unpack(self.record, self.blob, sink, f"{self.record.digest} of {self.repository}")


@dataclass(frozen=True)
class RemoteBlobs:
    """The blobs of a repository."""

    repository: Repository

    def bytes_of(self, record: Record) -> RemoteBytes:
        """The bytes, fetched when they are asked for."""
        return RemoteBytes(self.repository, record)

    def manifest(self, blob: Descriptor) -> bytes:
        """The manifest that `blob` names."""
        found = self.repository.manifest(blob.digest)
        if found is None:
            raise ImageError(f"{self.repository} does not hold {blob.digest}, which something there leads to")
        return found[1]

    def __str__(self) -> str:
        return str(self.repository)


def open_remote(reference: Reference, outside: Outside | None, platform: Platform | None = None) -> Image:
    """The image that `reference` names; of several, the one for `platform`, or else for this machine."""
    found = find_remote(reference, outside, platform)
    if found is None:
        raise ImageError(f"there is no image {reference}")
    return found


def find_remote(reference: Reference, outside: Outside | None, platform: Platform | None = None) -> Image | None:
    """The same; None if nothing has that name."""
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
    raise ImageError(f"{reference}: indexes lie in indexes more than {DEEPEST} deep")


def remote_parcel(reference: Reference, outside: Outside | None) -> Parcel:
    """All that `reference` leads to."""
    needful = needed(outside, str(reference))
    repository = needful.registries.repository(reference)
    found = repository.manifest(reference.name)
    if found is None:
        raise ImageError(f"there is no image {reference}")
    return parcel_at(needful.nearest(RemoteBlobs(repository)), found[0])


def entries_at(reference: Reference, outside: Outside | None) -> list[Descriptor]:
    """What an index of that name holds; of an image, the image itself; nothing if nothing has that name."""
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
    raise ImageError(f"{origin} holds no image for {spelled(wanted)}; it holds {has or 'none'}")
