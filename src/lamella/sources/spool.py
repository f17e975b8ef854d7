"""Archives that are compressed as a whole: unpacked to a file without a name, whose parts become entries."""

import contextlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from lamella import staging
from lamella.oci.decompress import IN_PACKAGES, DecompressError, Decompressor
from lamella.oci.image import Buffer, Sink
from lamella.sources.tree import SourceError

_BLOCK = 1 << 20


class DamagedError(SourceError):
    """An archive is damaged, or malicious."""


class Spool:
    """An open file, which is closed when nothing refers to it any more."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = os.fstat(number).st_size

    def read_at(self, count: int, at: int) -> bytes:
        """`count` bytes from `at`; fewer only at the end."""
        return os.pread(self.number, count, at)

    def write(self, data: Buffer) -> int:
        """Appends `data`."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.number, view) :]
        self.size += len(data)
        return len(data)

    def opener(self, offset: int, size: int) -> Callable[[], BinaryIO]:
        """A function that opens a part of it as a file."""
        return lambda: self.window(offset, size)

    def window(self, offset: int, size: int) -> BinaryIO:
        """A part of it as a file."""
        return cast("BinaryIO", _Window(self, offset, size))

    def close(self) -> None:
        """Frees its space now. An error may refer to it until garbage is collected."""
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


def opened(path: Path, origin: str) -> Spool:
    """The file at `path`."""
    try:
        return Spool(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise DamagedError(f"{origin} cannot be read: {error.strerror}") from error


def nameless(folder: Path) -> Spool:
    """A new file on the disk of `folder`."""
    return Spool(staging.nameless(folder))


class _Window(io.RawIOBase):
    """Part of a file, read from its start to its end."""

    def __init__(self, file: Spool, offset: int, size: int) -> None:
        self._file = file
        self._start = self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(self._start, offset + (0, self._at, self._end)[whence])
        return self._at - self._start

    def tell(self) -> int:
        return self._at - self._start

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._at)
        data = self._file.read_at(left if size < 0 else min(size, left), self._at)
        self._at += len(data)
        return data


_SPELLED = {"gz": "gzip", "zst": "zstd", "": "none"}
"""The compressions that file name endings stand for."""


def decompress(packed: BinaryIO, how: str, write: Sink, limit: int, origin: str) -> None:
    """Unpacks `packed`; more than `limit` bytes are an error."""
    passed = 0

    def checked(piece: Buffer) -> None:
        nonlocal passed
        passed += len(piece)
        if passed > limit:
            raise DamagedError(f"{origin} unpacks to more than {limit} bytes; do not trust it")
        write(piece)

    with explained(origin), Decompressor(_SPELLED.get(how, how), checked, "it", IN_PACKAGES) as plain:
        while data := packed.read(_BLOCK):
            plain.write(data)


@contextlib.contextmanager
def explained(origin: str) -> Iterator[None]:
    """Turns errors of decompressors and archive readers into one line."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DamagedError(f"{origin} is damaged: {error}") from error
    except DecompressError as error:
        raise DamagedError(f"{origin} cannot be unpacked: {error}") from error
    except OSError as error:
        raise DamagedError(f"{origin} cannot be unpacked: {error.strerror or error}") from error
