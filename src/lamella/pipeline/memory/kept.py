"""Layers whose bytes are kept in a file, because they cannot be made twice, or were made by others."""

from dataclasses import dataclass
from pathlib import Path

from lamella.images.opening import Folder
from lamella.images.stored import StoredBytes
from lamella.layers.make import pack
from lamella.oci import media
from lamella.oci.digest import DigestError
from lamella.oci.image import LayerBytes, Record, Sink
from lamella.plan import Stored


def tar_at(path: Path, record: Record) -> Stored:
    """The tar of the layer of which `record` tells, at `path`."""
    return Stored(str(path), Record(record.diff_id, record.tar_size, record.diff_id, record.tar_size, media.LAYER))


def stored_bytes(stored: Stored) -> StoredBytes:
    """The bytes as they lie there; they are hashed as they leave."""
    path = Path(stored.path)
    return StoredBytes(Folder(path.parent), path.name, stored.record)


def kept(stored: Stored, record: Record, compression: str) -> LayerBytes:
    """The bytes of which `record` tells, from the file; compressed if they are not kept in that form."""
    found = stored_bytes(stored)
    return found if stored.record.digest == record.digest else _Packed(found, record, compression)


@dataclass(frozen=True)
class _Packed:
    """The bytes of a layer whose tar is kept."""

    kept: StoredBytes
    record: Record
    compression: str

    def tar(self, sink: Sink) -> None:
        """The tar itself."""
        self.kept.tar(sink)

    def blob(self, sink: Sink) -> None:
        """The tar, compressed as the record says."""
        packed = pack(self.kept.tar, self.compression, sink)
        if (packed.digest, packed.size) != (self.record.digest, self.record.size):
            raise DigestError(f"{self.kept.name} compresses to another blob than {self.record.digest}; build it again")
