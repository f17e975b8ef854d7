"""Images and layers as values: everything that is known of them, and how their bytes are had when asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lamella.oci import media
from lamella.oci.digest import Digest, sha256
from lamella.oci.wire import Descriptor, History, ImageConfig, Manifest, Platform, decode, encode

Buffer = bytes | bytearray | memoryview
Sink = Callable[[Buffer], object]
"""Takes bytes, block by block. A block is only valid during the call."""

Body = Callable[[Sink], None]
"""Gives all bytes of a blob, again each time it is called."""

Progress = Callable[[str, int, int], object]
"""Told of bytes of a layer that passed: its name, how many so far, and of how many; equal when it is done.

May be called by any thread.
"""


class Steps(str):
    """A name for `Progress` of work that is counted in steps, not in bytes."""

    __slots__ = ()


def silent(_name: str, _done: int, _expected: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a built layer. `tar_size` and `diff_id` speak of the tar, the rest of the shipped blob.

    `tar_size` is 0 where nobody has told it: a compressed layer that was read says it only when it is unpacked.
    """

    diff_id: Digest
    tar_size: int
    digest: Digest
    size: int
    media_type: str


class LayerBytes(Protocol):
    """Where the bytes of a layer come from; each call makes or copies all of them, and checks them on the way."""

    def blob(self, sink: Sink) -> None:
        """The blob as it is shipped."""

    def tar(self, sink: Sink) -> None:
        """The tar inside it."""


@dataclass(frozen=True)
class Layer:
    """A layer whose digests are known; its bytes may not exist before somebody asks for them."""

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
    """One platform's image. `config_bytes` are kept as they came."""

    config: ImageConfig
    config_bytes: bytes
    layers: tuple[Layer, ...]
    annotations: dict[str, str] = field(default_factory=dict)
    manifest_bytes: bytes = b""
    """The manifest as it came with an image that was read; empty for one that was made here."""
    root: Descriptor | None = None
    """What named the manifest where it was read."""

    @property
    def config_descriptor(self) -> Descriptor:
        return Descriptor(media_type=media.CONFIG, digest=sha256(self.config_bytes), size=len(self.config_bytes))

    @property
    def platform(self) -> Platform:
        """What the image runs on, as its config says; the variant also as the index says that led here."""
        own, told = self.config.platform, self.root.platform if self.root else None
        fits = told is not None and (told.os, told.architecture) == (own.os, own.architecture)
        return told if told and fits and not own.variant else own


@dataclass(frozen=True)
class Parcel:
    """All that travels with an image, or with an index of several: blobs, and then documents.

    Each document comes after all that it leads to, with its bytes. The last one is what names get given to.
    """

    layers: tuple[Layer, ...]
    documents: tuple[tuple[Descriptor, bytes], ...]

    @property
    def root(self) -> Descriptor:
        return self.documents[-1][0]


def manifest_of(image: Image) -> bytes:
    """The image's manifest: the bytes it came with, or those that follow from its parts."""
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
    """A new image of `layers` under `config`."""
    return Image(config, encode(config), tuple(layers))


def parcel_of(image: Image) -> Parcel:
    """What travels with one image."""
    manifest = manifest_of(image)
    told = decode(manifest, Manifest, "the image's manifest")
    root = Descriptor(
        media_type=told.media_type or media.MANIFEST,
        digest=sha256(manifest),
        size=len(manifest),
        platform=image.config.platform,
    )
    return Parcel(image.layers, ((told.config, image.config_bytes), (root, manifest)))
