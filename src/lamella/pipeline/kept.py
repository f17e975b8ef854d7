"""Layers whose tar is kept in a file because it cannot be made twice."""

from dataclasses import dataclass
from pathlib import Path

from lamella.layers.make import pack
from lamella.oci.digest import DigestError, encoded, hasher
from lamella.oci.image import Record, Sink
from lamella.staging import explained

_BLOCK = 1 << 20


@dataclass(frozen=True)
class KeptBytes:
    """The bytes of a layer whose tar lies at `path`; they are hashed again as they leave."""

    path: Path
    record: Record
    compression: str

    def tar(self, sink: Sink) -> None:
        """The tar itself."""
        hashed = hasher(self.record.diff_id)
        with explained(self.path, "cannot read"), self.path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
                sink(block)
        if hashed.hexdigest() != encoded(self.record.diff_id):
            raise DigestError(f"{self.path} is not the tar {self.record.diff_id} any more; build the image again")

    def blob(self, sink: Sink) -> None:
        """The tar, compressed as the record says."""
        if pack(self.tar, self.compression, sink).digest != self.record.digest:
            raise DigestError(f"{self.path} compresses to another blob than {self.record.digest}; build it again")
