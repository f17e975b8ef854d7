"""Images in a registry, opened without their layers: those are fetched when their bytes are asked for."""

from dataclasses import dataclass

from lamella.destinations.publish import root_of
from lamella.errors import LamellaError
from lamella.images.stored import LONGEST_DOCUMENT, ImageError, layer_history, unpack
from lamella.oci import media
from lamella.oci.image import Buffer, Image, Layer, Record, Sink
from lamella.oci.platforms import here, matches, spelled
from lamella.oci.reference import Reference
from lamella.oci.wire import Descriptor, ImageConfig, Index, Manifest, Platform, decode
from lamella.registry.registries import Registries
from lamella.registry.repository import Repository

_DEEPEST = 4


@dataclass(frozen=True)
class RemoteBytes:
    """A layer's bytes in a registry."""

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


def open_remote(reference: Reference, registries: Registries | None, platform: Platform | None = None) -> Image:
    """The image that `reference` names; of several, the one for `platform`, or else for this machine."""
    found = find_remote(reference, registries, platform)
    if found is None:
        raise ImageError(f"there is no image {reference}")
    return found


def find_remote(reference: Reference, registries: Registries | None, platform: Platform | None = None) -> Image | None:
    """The same; None if nothing has that name."""
    if registries is None:
        raise LamellaError(f"{reference} is in a registry, and none can be asked here")
    repository = registries.repository(reference)
    found = repository.manifest(reference.name)
    for _ in range(_DEEPEST):
        if found is None:
            return None
        root, data = found
        if root.media_type not in media.INDEXES:
            return _image(repository, root, data)
        index = decode(data, Index, f"the index {reference}")
        found = repository.manifest(_choose(index, platform, str(reference)).digest)
    raise ImageError(f"{reference}: indexes lie in indexes more than {_DEEPEST} deep")


def entries_at(reference: Reference, registries: Registries | None) -> list[Descriptor]:
    """What an index of that name holds; of an image, the image itself; nothing if nothing has that name."""
    image = None
    if registries is not None:
        found = registries.repository(reference).manifest(reference.name)
        if found and found[0].media_type in media.INDEXES:
            return list(decode(found[1], Index, f"the index {reference}").manifests)
        image = find_remote(reference, registries) if found else None
    return [root_of(image, image.manifest_bytes)] if image else []


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


def _image(repository: Repository, root: Descriptor, data: bytes) -> Image:
    manifest = decode(data, Manifest, f"the manifest {root.digest}")
    if manifest.config.media_type not in media.CONFIGS:
        raise ImageError(f"{root.digest} is not an image, but of the kind {manifest.config.media_type}")
    config_bytes = _document(repository, manifest.config)
    config = decode(config_bytes, ImageConfig, f"the config {manifest.config.digest}")
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers):
        raise ImageError(
            f"the manifest {root.digest} has {len(manifest.layers)} layers and its config {len(diff_ids)}; "
            "they do not belong together"
        )
    layers = []
    for blob, diff_id, history in zip(manifest.layers, diff_ids, layer_history(config), strict=True):
        plain = media.compression(blob.media_type) == "none"
        record = Record(diff_id, blob.size if plain else 0, blob.digest, blob.size, blob.media_type)
        layers.append(Layer(record, RemoteBytes(repository, record), history=history, annotations=blob.annotations))
    return Image(config, config_bytes, tuple(layers), manifest.annotations, data, root)


def _document(repository: Repository, blob: Descriptor) -> bytes:
    if not 0 <= blob.size <= LONGEST_DOCUMENT:
        raise ImageError(f"{blob.digest} has {blob.size} bytes; no document of an image is that long")
    found = bytearray()

    def take(block: Buffer) -> None:
        found.extend(block)

    repository.read_blob(blob, take)
    return bytes(found)
