"""Reads files: their bytes, wherever they come from, and the ELF headers of programs and libraries."""

import contextlib
import mmap
import tempfile
from collections.abc import Iterator

from lamella.checks import elf
from lamella.checks.elf import Elf
from lamella.package import Entry, Kind

_LARGE = 64 << 20


@contextlib.contextmanager
def data_of(entry: Entry) -> Iterator[bytes | mmap.mmap]:
    """Open a file's bytes; large ones that are not on disk go through a temporary file."""
    if not entry.size or entry.content is None:
        yield b""
        return
    if isinstance(entry.content, bytes):
        with open(entry.content, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:  # noqa: PTH123
            yield mapped
        return
    with entry.content() as opened:
        if entry.size <= _LARGE:
            yield b"".join(iter(lambda: opened.read(1 << 20), b""))
            return
        with tempfile.TemporaryFile() as spooled:
            while block := opened.read(1 << 20):
                spooled.write(block)
            spooled.flush()
            with mmap.mmap(spooled.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                yield mapped


def elf_of(entry: Entry) -> tuple[str, Elf] | None:
    """Return the place of an ELF file in the image, and its headers; None for any other file."""
    if entry.kind is not Kind.FILE or entry.size < 64:
        return None
    if not (entry.mode & 0o111 or b".so" in entry.path.rpartition(b"/")[2]):
        return None
    with data_of(entry) as data:
        if data[:4] != elf.MAGIC:
            return None
        with memoryview(data) as view:
            found = elf.parse(view)
    return (entry.path.decode("utf-8", "surrogateescape"), found) if found else None
