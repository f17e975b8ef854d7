"""Zip archives, read member by member without unpacking, and trusted no further than their bytes can be seen.

The names stay below the root and are there once, sizes are such as deflate can reach, members do not share bytes: what
says otherwise is refused before anything is made of it.
"""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from isal import igzip_lib, isal_zlib

from lamella.sources.tree import SourceError

MOST_MEMBERS = 250_000
_LOCAL = struct.Struct("<4s22xHH")
_EXTRA = 512
"""Bytes read with a local header beyond its name, so that small members take one read."""

_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_ENCRYPTED = 1
_DENSEST = 1100
"""How many bytes deflate can make of one; a little more than that."""

_SWOLLEN, _LARGE = 200, 2 << 30
_BLOCK = 1 << 20
_MAGIC = b"PK\x03\x04"
IsalError = cast("type[Exception]", igzip_lib.IsalError)
"""isal declares its error as an instance."""


class ArchiveError(SourceError):
    """An archive is damaged, or is made to harm."""


class Member(NamedTuple):
    """One file of an archive."""

    name: str
    size: int
    packed: int
    offset: int
    deflated: bool
    executable: bool
    crc: int


def members(path: Path, origin: str) -> list[Member]:
    """The files of the archive at `path`, checked. Folders are left out: they are there by what lies in them."""
    with _explained(origin), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    end = path.stat().st_size
    if len(infos) > MOST_MEMBERS:
        raise ArchiveError(f"{origin} holds {len(infos)} files, and more than {MOST_MEMBERS} are not believed")
    found = [_member(info, origin) for info in infos if not info.is_dir()]
    _check_names(found, origin)
    total = sum(member.size for member in found)
    if sum(member.packed for member in found) > end or total > max(_SWOLLEN * end, _LARGE):
        raise ArchiveError(f"{origin} says it unpacks from {end} bytes to {total}; do not trust it")
    return found


def _member(info: zipfile.ZipInfo, origin: str) -> Member:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    name = info.orig_filename
    if kind not in (0, stat.S_IFREG):
        raise ArchiveError(f"{origin} holds {name!r}, which is not a plain file")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (_STORED, _DEFLATED):
        raise ArchiveError(f"{origin} holds {name!r} encrypted, or compressed in a way that is not known")
    if info.file_size > info.compress_size * _DENSEST + _DENSEST:
        raise ArchiveError(f"{origin} says that {name!r} unpacks from {info.compress_size} bytes to {info.file_size}")
    deflated = info.compress_type == _DEFLATED
    executable = bool(mode & 0o111)
    return Member(name, info.file_size, info.compress_size, info.header_offset, deflated, executable, info.CRC)


def _check_names(found: list[Member], origin: str) -> None:
    seen: dict[str, str] = {}
    for member in found:
        name = member.name
        parts = name.split("/")
        if "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise ArchiveError(f"{origin} holds the name {name[:200]!r}, which may lead out of it; do not trust it")
        other = seen.setdefault(name.casefold(), name)
        if other is not name:
            if other == name:
                raise ArchiveError(f"{origin} holds {name!r} twice")
            raise ArchiveError(f"{origin} holds {other!r} and {name!r}, which are one file on some systems")


def opener(path: Path, member: Member, origin: str) -> Callable[[], BinaryIO]:
    """Opens a member wherever its bytes are wanted."""
    return lambda: open_member(path, member, origin)


def open_member(path: Path, member: Member, origin: str) -> BinaryIO:
    """The bytes of a member. What its sum does not vouch for is found out before their end."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        want = _LOCAL.size + len(member.name.encode()) + _EXTRA
        head = os.pread(file, want + min(member.packed, _BLOCK), member.offset)
        start = _data_at(head, member, origin)
        if member.packed <= _BLOCK and len(head) >= start + member.packed:
            data = _whole(head[start : start + member.packed], member, origin)
            os.close(file)
            return io.BytesIO(data)
        reader = _Reader(file, member.offset + start, member, origin)
    except BaseException:
        os.close(file)
        raise
    return cast("BinaryIO", reader)


def read_member(path: Path, member: Member, origin: str, most: int = 32 << 20) -> bytes:
    """The bytes of a member that is a document, and so not large."""
    if member.size > most:
        raise ArchiveError(f"{origin}: {member.name} has {member.size} bytes, and is no document")
    with open_member(path, member, origin) as file:
        return file.read(member.size)


def _data_at(head: bytes, member: Member, origin: str) -> int:
    """Where the data starts behind the local header, which must speak of the same file as the directory."""
    if len(head) < _LOCAL.size:
        raise _damaged(member, origin)
    magic, name_length, extra_length = _LOCAL.unpack_from(head)
    name: bytes = head[_LOCAL.size : _LOCAL.size + name_length]
    if magic != _MAGIC or member.name not in (name.decode("utf-8", "replace"), name.decode("cp437")):
        raise _damaged(member, origin)
    return int(_LOCAL.size + name_length + extra_length)


def _whole(packed: bytes, member: Member, origin: str) -> bytes:
    data = packed
    if member.deflated:
        try:
            data = _inflater().decompress(packed, member.size + 1)
        except IsalError as error:
            raise _damaged(member, origin) from error
    if len(data) != member.size or isal_zlib.crc32(data) != member.crc:
        raise _damaged(member, origin)
    return data


def _inflater() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)


class _Reader(io.RawIOBase):
    """A large member, a block at a time."""

    def __init__(self, file: int, offset: int, member: Member, origin: str) -> None:
        self._file = file
        self._at = offset
        self._packed_left = member.packed
        self._left = member.size
        self._crc = 0
        self._inflater = _inflater() if member.deflated else None
        self._member = member
        self._origin = origin

    def read(self, size: int = -1) -> bytes:
        """The next bytes, `size` of them at most; none at the end."""
        try:
            data = self._next(size if size > 0 else _BLOCK)
        except IsalError as error:
            raise _damaged(self._member, self._origin) from error
        self._crc = isal_zlib.crc32(data, self._crc)
        self._left -= len(data)
        if self._left < 0 or (self._left and not data) or (not self._left and self._crc != self._member.crc):
            raise _damaged(self._member, self._origin)
        return data

    def _next(self, wanted: int) -> bytes:
        if self._inflater is None:
            return self._packed(wanted)
        while not self._inflater.eof:
            packed = self._packed(_BLOCK) if self._inflater.needs_input else b""
            cut = self._inflater.needs_input and not packed
            data = b"" if cut else self._inflater.decompress(packed, wanted)
            if data or cut:
                return data
        return b""

    def _packed(self, wanted: int) -> bytes:
        data = os.pread(self._file, min(wanted, self._packed_left), self._at)
        self._at += len(data)
        self._packed_left -= len(data)
        return data

    def close(self) -> None:
        """Lets go of the archive."""
        if not self.closed:
            os.close(self._file)
        super().close()


def _damaged(member: Member, origin: str) -> ArchiveError:
    return ArchiveError(f"{origin} is damaged: {member.name!r} in it is not what it should be")


@contextmanager
def _explained(origin: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, NotImplementedError, ValueError) as error:
        raise ArchiveError(f"{origin} is damaged, or not a zip archive: {error}") from error
    except OSError as error:
        raise ArchiveError(f"{origin} cannot be read: {error.strerror or error}") from error
