"""Opens layouts and archives as files that can be read in any order.

An archive that is compressed as a whole is decompressed to an unnamed temporary file, which is closed with the image.
"""

import os
import stat
import tempfile
import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from lamella.images.members import Members, read_members
from lamella.images.stored import Extent, ImageError
from lamella.oci.decompress import MAGIC_SIZE, Decompressor, compression_of
from lamella.staging import explained, nameless, write_all


def open_file(path: Path) -> BinaryIO:
    """Open `path` for reading, without a buffer."""
    return path.open("rb", buffering=0)


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a layout in a folder."""

    root: Path

    def find(self, name: str) -> Extent:
        """Return the file `name`; raise an `ImageError` if it does not exist."""
        path = self.root / name
        with explained(path, "cannot read"):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                raise ImageError(f"{self.root} has no {name!r}") from None
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(f"{path} is not a file")
        return Extent(str(path), partial(open_file, path), 0, found.st_size)

    def holds(self, name: str) -> bool:
        """Whether the file `name` exists."""
        return (self.root / name).is_file()


def open_members(path: Path) -> Members:
    """Return the files of the archive at `path`."""
    with explained(path, "cannot read"):
        if not path.is_file():
            if path.is_dir():
                raise ImageError(f"{path} is a folder, not an archive; write oci:{path} for a layout")
            raise ImageError(f"{path} is not a file" if path.exists() else f"there is no archive {path}")
        with open_file(path) as file:
            compression = compression_of(file.read(MAGIC_SIZE))
            if compression == "none":
                return read_members(partial(open_file, path), str(path))
            file.seek(0)
            return read_members(_unpacked(file, compression, str(path)).open, str(path))


class _Temporary:
    """A file without a name, which exists as long as this object."""

    def __init__(self) -> None:
        self._handle = nameless()
        weakref.finalize(self, os.close, self._handle)

    def open(self) -> BinaryIO:
        """Return a new handle."""
        return os.fdopen(os.dup(self._handle), "r+b", buffering=0)


def _unpacked(file: BinaryIO, compression: str, origin: str) -> _Temporary:
    temporary = _Temporary()
    with (
        explained(Path(tempfile.gettempdir()), f"cannot unpack {origin} in"),
        temporary.open() as out,
        Decompressor(compression, partial(write_all, out), origin) as plain,
    ):
        while block := file.read(1 << 20):
            plain.write(block)
    return temporary
