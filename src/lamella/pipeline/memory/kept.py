"""Layers whose bytes are kept in a file, because they cannot be made again, or other programs made them."""

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
    """Return the tar of the layer in `record`, stored at `path`."""
    return Stored(str(path), Record(record.diff_id, record.tar_size, record.diff_id, record.tar_size, media.LAYER))


def stored_bytes(stored: Stored) -> StoredBytes:
    """Return the bytes as they are stored; they are verified when they are read."""
    path = Path(stored.path)
    return StoredBytes(Folder(path.parent), path.name, stored.record)


def kept(stored: Stored, record: Record, compression: str) -> LayerBytes:
    """Return the bytes of `record` from the file; compress them if they are stored in another form."""
    found = stored_bytes(stored)
    return found if stored.record.digest == record.digest else _Packed(found, record, compression)


@dataclass(frozen=True)
class _Packed:
    """The bytes of a layer of which only the tar is kept."""

    kept: StoredBytes
    record: Record
    compression: str

    def tar(self, sink: Sink) -> None:
        """Pass the tar to `sink`."""
        self.kept.tar(sink)

    def blob(self, sink: Sink) -> None:
        """Compress the tar as the record says, and pass the blob to `sink`."""
        packed = pack(self.kept.tar, self.compression, sink)
        if (packed.digest, packed.size) != (self.record.digest, self.record.size):
            raise DigestError(f"{self.kept.name} no longer compresses to {self.record.digest}; build it again")
