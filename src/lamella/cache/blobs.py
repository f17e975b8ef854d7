"""Kept blobs, `layers/<sha256>`: layers that cannot be made twice, and any others when asked.

A blob is hashed on its way in before it gets its name, and again on its way out before it is believed.
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
        """Where the blob is kept, if it is."""
        return self._root / "layers" / encoded(digest)

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is kept whole. One of another size is damaged, and dropped."""
        path = self.path(digest)
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            return False
        if found != size:
            self.drop(digest)
        return found == size

    def stage(self) -> StagedBlob:
        """A place for a blob whose digest is not known before it has passed."""
        return StagedBlob(self._root, self.path)

    def copy(self, digest: Digest, sink: Sink) -> None:
        """The blob's bytes; damage is found out before the end, and the blob dropped."""
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
        """Removes a damaged blob."""
        path = self.path(digest)
        if not path.exists():
            return
        path.unlink(missing_ok=True)
        self._mended(f"layers/{encoded(digest)}")
