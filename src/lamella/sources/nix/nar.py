"""NARs: store paths as one file each, read entry by entry; anything that Nix would write differently is an error.

string    its length as 8 bytes, its bytes, zeros up to a multiple of 8
file      ( type regular [executable ""] contents BYTES )
link      ( type symlink target PATH )
folder    ( type directory [entry ( name NAME node FILE-LINK-FOLDER )]... )
"""

import hashlib
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from lamella.oci.image import Buffer
from lamella.oci.typed import decode_as
from lamella.package import Entry, Kind, Package
from lamella.sources import tree
from lamella.sources.spool import DamagedError, Spool, decompress, nameless, opened

_MAGIC = b"nix-archive-1"
_FILE, _PROGRAM, _FOLDER, _LINK = 0o444, 0o555, 0o555, 0o777
_LONGEST = 4096
_WINDOW = 1 << 16
_BLOCK = 1 << 20
_CASE_HACK = re.compile(rb"~nix~case~hack~\d+$")
"""What Nix adds to names on file systems that ignore case."""

_LENGTH = struct.Struct("<Q")


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A local NAR: the file, its compression, and what must come out."""

    file: str
    compression: str
    nar_hash: str
    nar_size: int


def entries(package: Package) -> Iterator[Entry]:
    """The files of a store path, from the NAR in `package.how`; none before its hash is verified."""
    recipe = decode_as(package.how, Recipe)
    source = opened(Path(recipe.file), package.id)
    yield from read(_unpacked(source, recipe, package.id), package.at.encode(), package.id)


def _unpacked(source: Spool, recipe: Recipe, origin: str) -> Spool:
    out = nameless(Path(recipe.file).parent)
    hashed = hashlib.sha256()

    def write(data: Buffer) -> None:
        hashed.update(data)
        out.write(data)

    decompress(source.window(0, source.size), recipe.compression, write, recipe.nar_size, origin)
    if (hashed.hexdigest(), out.size) != (recipe.nar_hash, recipe.nar_size):
        raise DamagedError(f"the NAR of {origin} is not the one with the hash {recipe.nar_hash}, so it is not used")
    return out


def dump(path: str) -> Iterator[bytes]:
    """The NAR of a file, link or folder on this machine, in pieces."""
    folders: list[bytes] = []
    yield _words(_MAGIC)
    root = os.fsencode(path)
    for entry in tree.walk(root, root):
        while folders and not entry.path.startswith(folders[-1] + b"/"):
            folders.pop()
            yield _words(b")", b")") if folders else _words(b")")
        inside = bool(folders)
        if inside:
            name = _CASE_HACK.sub(b"", entry.path.rpartition(b"/")[2])
            yield _words(b"entry", b"(", b"name", name, b"node")
        if entry.kind is Kind.DIRECTORY:
            folders.append(entry.path)
            yield _words(b"(", b"type", b"directory")
            continue
        yield from _told(entry)
        if inside:
            yield _words(b")")
    yield _words(*[b")"] * (2 * len(folders) - 1)) if folders else b""


def in_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks that are large enough for compressing or sending."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= _BLOCK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _told(entry: Entry) -> Iterator[bytes]:
    """A link or a file."""
    if entry.kind is Kind.SYMLINK:
        yield _words(b"(", b"type", b"symlink", b"target", entry.target, b")")
        return
    executable = (b"executable", b"") if entry.mode & 0o100 else ()
    yield _words(b"(", b"type", b"regular", *executable, b"contents") + _LENGTH.pack(entry.size)
    assert isinstance(entry.content, bytes)
    left = entry.size
    with open(entry.content, "rb", buffering=0) as file:
        while left and (block := file.read(min(left, _BLOCK))):
            left -= len(block)
            yield block
    if left:
        raise DamagedError(f"{os.fsdecode(entry.path)} became shorter while it was read")
    yield bytes(-entry.size % 8) + _words(b")")


def _words(*words: bytes) -> bytes:
    return b"".join(_LENGTH.pack(len(word)) + word + bytes(-len(word) % 8) for word in words)


def read(nar: Spool, at: bytes, origin: str) -> Iterator[Entry]:
    """The files in a NAR, at `at`."""
    return (entry for entry, _ in located(nar, at, origin))


def located(nar: Spool, at: bytes, origin: str) -> Iterator[tuple[Entry, int]]:
    """The same, with the offset in the NAR at which the content of each file starts."""
    reader = _Reader(nar, origin)
    reader.expect(_MAGIC)
    folders: list[list[bytes]] = []  # each with its path and its last name so far
    path = at
    while True:
        entry = _node(reader, path)
        yield entry, reader.content_at
        if entry.kind is Kind.DIRECTORY:
            folders.append([path, b""])
        else:
            reader.close_entry(inside=bool(folders))
        while folders and not reader.another():
            folders.pop()
            reader.close_entry(inside=bool(folders))
        if not folders:
            break
        path = reader.name_in(folders[-1])
    reader.end()


def _node(reader: "_Reader", path: bytes) -> Entry:
    """The next node: a folder up to its contents, anything else to its end."""
    reader.expect(b"(", b"type")
    kind = reader.word()
    if kind == b"directory":
        return Entry(path, Kind.DIRECTORY, _FOLDER)
    if kind == b"symlink":
        reader.expect(b"target")
        target = reader.word()
        reader.expect(b")")
        return Entry(path, Kind.SYMLINK, _LINK, target=target)
    if kind != b"regular":
        raise reader.wrong(f"{kind[:20]!r} is not a kind of file")
    word, mode, size, content = reader.word(), _FILE, 0, reader.nothing
    if word == b"executable":
        reader.expect(b"")
        word, mode = reader.word(), _PROGRAM
    if word == b"contents":
        size, content = reader.content()
        word = reader.word()
    if word != b")":
        raise reader.wrong(f"a file should end here, not {word[:20]!r}")
    return Entry(path, Kind.FILE, mode, size, content=content)


class _Reader:
    """The words of a NAR, one after the other."""

    def __init__(self, nar: Spool, origin: str) -> None:
        self._nar = nar
        self._origin = origin
        self._at = 0
        self._window = b""
        self._start = 0
        self.content_at = 0
        self.nothing = nar.opener(0, 0)

    def wrong(self, what: str) -> DamagedError:
        """The error for a damaged NAR."""
        return DamagedError(f"the NAR of {self._origin} is damaged: at byte {self._at}, {what}")

    def word(self) -> bytes:
        """The next string, which is not a file's content."""
        (length,) = _LENGTH.unpack(self._bytes(8))
        if length > _LONGEST:
            raise self.wrong(f"a name has {length} bytes")
        data = self._bytes(length)
        self._pad(length)
        return data

    def expect(self, *words: bytes) -> None:
        """Skips these words, which must come next."""
        for wanted in words:
            found = self.word()
            if found != wanted:
                raise self.wrong(f"{wanted!r} should be here, not {found[:20]!r}")

    def another(self) -> bool:
        """Whether the open folder has one more entry; otherwise it ends here."""
        word = self.word()
        if word not in (b"entry", b")"):
            raise self.wrong(f"a folder should go on or end here, not {word[:20]!r}")
        return word == b"entry"

    def name_in(self, folder: list[bytes]) -> bytes:
        """The path of the next entry of `folder`; names must be in order."""
        self.expect(b"(", b"name")
        name = self.word()
        if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
            raise self.wrong(f"{name[:100]!r} is not a file name")
        if name <= folder[1]:
            raise self.wrong(f"{name[:100]!r} comes after {folder[1][:100]!r}")
        folder[1] = name
        self.expect(b"node")
        return folder[0] + b"/" + name

    def close_entry(self, *, inside: bool) -> None:
        """Skips the end of an entry of a folder."""
        if inside:
            self.expect(b")")

    def content(self) -> tuple[int, Callable[[], BinaryIO]]:
        """The size of a file, and a function that opens it; its content is skipped."""
        (size,) = _LENGTH.unpack(self._bytes(8))
        self.content_at = start = self._at
        if size > self._nar.size - start:
            raise self.wrong(f"a file of {size} bytes is longer than the NAR")
        self._at += size
        self._pad(size)
        return size, self._nar.opener(start, size)

    def end(self) -> None:
        """Raises an error if anything follows the end."""
        if self._at != self._nar.size:
            raise self.wrong("something follows the end")

    def _pad(self, length: int) -> None:
        if any(self._bytes(-length % 8)):
            raise self.wrong("the padding is not zeros")

    def _bytes(self, count: int) -> bytes:
        offset = self._at - self._start
        if offset < 0 or offset + count > len(self._window):
            self._start, offset = self._at, 0
            self._window = self._nar.read_at(max(count, _WINDOW), self._at)
        data = self._window[offset : offset + count]
        if len(data) < count:
            raise self.wrong("it ends too early")
        self._at += count
        return data
