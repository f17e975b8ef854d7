"""Images and layers as values: everything known about them, and a way to get their bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lamella.oci import media
from lamella.oci.digest import Digest, sha256
from lamella.oci.wire import Descriptor, History, ImageConfig, Manifest, Platform, decode, encode

Buffer = bytes | bytearray | memoryview
Sink = Callable[[Buffer], object]
"""Takes bytes block by block. A block is only valid during the call."""

Body = Callable[[Sink], None]
"""Gives all bytes of a blob; can be called again."""

Progress = Callable[[str, int, int], object]
"""Called when bytes of a layer have passed, with its name, how many so far, and of how many; equal when it is done.

May be called from any thread.
"""


class Steps(str):
    """A name for `Progress` of work that is counted in steps, not in bytes."""

    __slots__ = ()


def silent(_name: str, _done: int, _expected: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a built layer. `tar_size` and `diff_id` describe the tar, the rest the blob that is sent.

    `tar_size` is 0 if unknown: that of a compressed layer shows only when it is unpacked.
    """

    diff_id: Digest
    tar_size: int
    digest: Digest
    size: int
    media_type: str


class LayerBytes(Protocol):
    """Where the bytes of a layer come from; each call makes or copies all of them, and verifies them."""

    def blob(self, sink: Sink) -> None:
        """Pass the blob, as it is sent, to `sink`."""

    def tar(self, sink: Sink) -> None:
        """Pass the tar inside it to `sink`."""


@dataclass(frozen=True)
class Layer:
    """A layer whose digests are known; its bytes may not exist until they are requested."""

    record: Record
    content: LayerBytes
    name: str = ""
    history: History = field(default_factory=History)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def descriptor(self) -> Descriptor:
        record = self.record
        return Descriptor(
            media_type=record.media_type, digest=record.digest, size=record.size, annotations=self.annotations
        )


@dataclass(frozen=True)
class Image:
    """The image for one platform. `config_bytes` are kept unchanged."""

    config: ImageConfig
    config_bytes: bytes
    layers: tuple[Layer, ...]
    annotations: dict[str, str] = field(default_factory=dict)
    manifest_bytes: bytes = b""
    """The manifest of an image that was read; empty for an image that is made here."""
    root: Descriptor | None = None
    """The descriptor under which the manifest was read."""

    @property
    def config_descriptor(self) -> Descriptor:
        return Descriptor(media_type=media.CONFIG, digest=sha256(self.config_bytes), size=len(self.config_bytes))

    @property
    def platform(self) -> Platform:
        """The platform in the config; if that has no variant, the one in the index that led here."""
        own, told = self.config.platform, self.root.platform if self.root else None
        fits = told is not None and (told.os, told.architecture) == (own.os, own.architecture)
        return told if told and fits and not own.variant else own


@dataclass(frozen=True)
class Parcel:
    """Everything that is sent for an image, or for an index of several: layers, then documents.

    Each document comes after those it refers to, with its bytes. The last one gets the name.
    """

    layers: tuple[Layer, ...]
    documents: tuple[tuple[Descriptor, bytes], ...]

    @property
    def root(self) -> Descriptor:
        return self.documents[-1][0]


def manifest_of(image: Image) -> bytes:
    """Return the image's manifest: the bytes it came with, or new ones made from its parts."""
    if image.manifest_bytes:
        return image.manifest_bytes
    return encode(
        Manifest(
            schema_version=2,
            media_type=media.MANIFEST,
            config=image.config_descriptor,
            layers=[layer.descriptor for layer in image.layers],
            annotations=image.annotations,
        )
    )


def image_of(config: ImageConfig, layers: Sequence[Layer]) -> Image:
    """Return a new image of `layers` with `config`."""
    return Image(config, encode(config), tuple(layers))


def parcel_of(image: Image) -> Parcel:
    """Return everything that is sent for one image."""
    manifest = manifest_of(image)
    told = decode(manifest, Manifest, "the image's manifest")
    root = Descriptor(
        media_type=told.media_type or media.MANIFEST,
        digest=sha256(manifest),
        size=len(manifest),
        platform=image.config.platform,
    )
    return Parcel(image.layers, ((told.config, image.config_bytes), (root, manifest)))
