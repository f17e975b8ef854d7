"""Kept blobs, `layers/<sha256>`: layers that cannot be made twice, and any others on request.

A blob is hashed when it is written, before it gets its name, and again when it is read, before it is trusted.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from lamella.oci.digest import Digest, DigestError, encoded
from lamella.oci.image import Sink
from lamella.staging import StagedBlob, explained

_BLOCK = 1 << 20


class Blobs:
    """A folder of blobs named by digest."""

    def __init__(self, root: Path, mended: Callable[[str], None] = lambda _: None) -> None:
        self._root = root
        self._mended = mended

    def path(self, digest: Digest) -> Path:
        """Where the blob is kept, if it exists."""
        return self._root / "layers" / encoded(digest)

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob exists with this size. One of a different size is damaged, and is removed."""
        path = self.path(digest)
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            return False
        if found != size:
            self.drop(digest)
        return found == size

    def stage(self) -> StagedBlob:
        """Return a place for a blob whose digest is not known until it has passed."""
        return StagedBlob(self._root, self.path)

    def copy(self, digest: Digest, sink: Sink) -> None:
        """Push the blob's bytes to `sink`; a damaged blob is removed, and raises an error before this returns."""
        hashed = hashlib.sha256()
        path = self.path(digest)
        with explained(path, "cannot read"), path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
                sink(block)
        if hashed.hexdigest() != encoded(digest):
            self.drop(digest)
            raise DigestError(f"{path} was damaged and has been removed; run again to make it again")

    def drop(self, digest: Digest) -> None:
        """Remove a damaged blob."""
        path = self.path(digest)
        if not path.exists():
            return
        path.unlink(missing_ok=True)
        self._mended(f"layers/{encoded(digest)}")
