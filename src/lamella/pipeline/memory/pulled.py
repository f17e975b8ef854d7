"""Layers that were pulled from a registry and are kept in the cache, so that they are not downloaded again."""

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
    """The cache as a destination for layers; images get no names in it."""

    keeps_whole = False
    blobs: Blobs

    def has(self, blob: Descriptor) -> bool:
        """Whether the cache has the blob."""
        return self.blobs.has(blob.digest, blob.size)

    def stage(self) -> StagedBlob:
        """Return a place for one blob."""
        return self.blobs.stage()

    def put(self, blob: Descriptor, body: Body) -> bool:
        """Keep `blob` if it is a layer; documents are small, and are not kept."""
        return blob.media_type not in media.LAYERS or put_staged(self, blob, body)

    def tag(self, _name: str, _root: Descriptor, _data: bytes) -> None:
        """Names are for the registry."""


@dataclass(frozen=True)
class KeptOr:
    """The bytes of a blob, from the cache if possible, else from where it was found."""

    blobs: Blobs
    other: LayerBytes
    record: Record

    def blob(self, sink: Sink) -> None:
        """Pass the blob to `sink`; raise an error before the end if it is damaged."""
        if self.blobs.has(self.record.digest, self.record.size):
            self.blobs.copy(self.record.digest, sink)
        else:
            self.other.blob(sink)

    def tar(self, sink: Sink) -> None:
        """Pass the tar in it to `sink`."""
        unpack(self.record, self.blob, sink, self.record.digest)


@dataclass(frozen=True)
class Nearest:
    """The blobs of `content`, some of which are in the cache."""

    blobs: Blobs
    content: Content

    def bytes_of(self, record: Record) -> KeptOr:
        """Return the bytes, which are looked up when they are read."""
        return KeptOr(self.blobs, self.content.bytes_of(record), record)

    def manifest(self, blob: Descriptor) -> bytes:
        """Return the manifest from `content`, as manifests are not kept."""
        return self.content.manifest(blob)

    def __str__(self) -> str:
        return str(self.content)
