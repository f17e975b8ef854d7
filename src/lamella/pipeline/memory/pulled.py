"""Layers that were pulled from a registry and are kept in the cache, so that they are not asked for again."""

from dataclasses import dataclass

from lamella.cache.blobs import Blobs
from lamella.destinations.destination import put_staged
from lamella.images.content import Content
from lamella.images.stored import unpack
from lamella.oci import media
from lamella.oci.image import Body, LayerBytes, Record, Sink
from lamella.oci.wire import Descriptor
from lamella.staging import StagedBlob


@dataclass(frozen=True)
class KeptLayers:
    """The cache as a destination of layers; it knows no names."""

    keeps_whole = False
    blobs: Blobs

    def has(self, blob: Descriptor) -> bool:
        """Whether the blob is kept."""
        return self.blobs.has(blob.digest, blob.size)

    def stage(self) -> StagedBlob:
        """A place for one blob."""
        return self.blobs.stage()

    def put(self, blob: Descriptor, body: Body) -> bool:
        """Keeps `blob`; documents are small, and change what a name leads to, so they are not kept."""
        return blob.media_type not in media.LAYERS or put_staged(self, blob, body)

    def tag(self, _name: str, _root: Descriptor, _data: bytes) -> None:
        """Names are for the registry."""


@dataclass(frozen=True)
class KeptOr:
    """The bytes of a blob from the cache if it is kept there, or else from where it is."""

    blobs: Blobs
    other: LayerBytes
    record: Record

    def blob(self, sink: Sink) -> None:
        """The blob; damage is found out before the end."""
        if self.blobs.has(self.record.digest, self.record.size):
            self.blobs.copy(self.record.digest, sink)
        else:
            self.other.blob(sink)

    def tar(self, sink: Sink) -> None:
        """The tar in it."""
        unpack(self.record, self.blob, sink, self.record.digest)


@dataclass(frozen=True)
class Nearest:
    """The blobs of `content`, of which some are kept."""

    blobs: Blobs
    content: Content

    def bytes_of(self, record: Record) -> KeptOr:
        """The bytes, looked for when they are asked for."""
        return KeptOr(self.blobs, self.content.bytes_of(record), record)

    def manifest(self, blob: Descriptor) -> bytes:
        """Manifests are not kept."""
        return self.content.manifest(blob)

    def __str__(self) -> str:
        return str(self.content)
