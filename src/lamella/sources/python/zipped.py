"""Zip archives, read member by member without unpacking, and checked before they are used.

Names stay below the root and occur once, sizes are possible for deflate, members do not share bytes: everything else
is an error.
"""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from isal import igzip_lib, isal_zlib

from lamella.sources.tree import SourceError

MOST_MEMBERS = 250_000
_LOCAL = struct.Struct("<4s22xHH")
_EXTRA = 512
"""Bytes read with a local header beyond its name, so that small members take one read."""

_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_ENCRYPTED = 1
_DENSEST = 1100
"""A little more than the bytes that deflate can unpack from one."""

_SWOLLEN, _LARGE = 200, 2 << 30
_BLOCK = 1 << 20
_LONGEST_DOCUMENT = 32 << 20
_MAGIC = b"PK\x03\x04"
IsalError = cast("type[Exception]", igzip_lib.IsalError)
"""isal declares its error as an instance."""


class WheelError(SourceError):
    """A wheel is damaged, or malicious."""


class Member(NamedTuple):
    """One file of an archive."""

    name: str
    size: int
    packed: int
    offset: int
    deflated: bool
    executable: bool
    crc: int


class Bytes(Protocol):
    """The bytes of an archive, on this machine or elsewhere."""

    def size(self) -> int: ...

    def read_at(self, count: int, at: int) -> bytes:
        """The `count` bytes from `at`; fewer only at the end."""


class LocalBytes:
    """An archive on this machine. It is open only while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self) -> int:
        """The file's length."""
        return self._path.stat().st_size

    def read_at(self, count: int, at: int) -> bytes:
        """Part of the file."""
        file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(file, count, at)
        finally:
            os.close(file)


class Archive:
    """The files in an archive, checked. Folders are left out, because their files imply them."""

    def __init__(self, source: Bytes, origin: str) -> None:
        self.source = source
        self.origin = origin
        with _explained(origin):
            end = source.size()
            with zipfile.ZipFile(cast("BinaryIO", _AsFile(source, end))) as archive:
                infos = archive.infolist()
        if len(infos) > MOST_MEMBERS:
            raise WheelError(f"{origin} contains {len(infos)} files; the limit is {MOST_MEMBERS}")
        found = [_member(info, origin) for info in infos if not info.is_dir()]
        _check_names(found, origin)
        self.unpacked = sum(member.size for member in found)
        if sum(member.packed for member in found) > end or self.unpacked > max(_SWOLLEN * end, _LARGE):
            raise WheelError(f"{origin} claims to unpack from {end} bytes to {self.unpacked}; do not trust it")
        self.members = {member.name: member for member in found}

    def open(self, member: Member) -> BinaryIO:
        """The bytes of a member. A wrong checksum is an error before the last of them."""
        with _explained(self.origin):
            want = _LOCAL.size + len(member.name.encode()) + _EXTRA
            head = self.source.read_at(want + min(member.packed, _BLOCK), member.offset)
        start = _data_at(head, member, self.origin)
        if member.packed <= _BLOCK and len(head) >= start + member.packed:
            return io.BytesIO(_whole(head[start : start + member.packed], member, self.origin))
        return cast("BinaryIO", _Reader(self.source, member.offset + start, member, self.origin))

    def read(self, member: Member) -> bytes:
        """The bytes of a member that is a document, so it cannot be large."""
        if member.size > _LONGEST_DOCUMENT:
            raise WheelError(f"{self.origin}: {member.name} has {member.size} bytes, which is too large for a document")
        with self.open(member) as file:
            return file.read(member.size)


def _member(info: zipfile.ZipInfo, origin: str) -> Member:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    name = info.orig_filename
    if kind not in (0, stat.S_IFREG):
        raise WheelError(f"{origin} contains {name!r}, which is not a plain file")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (_STORED, _DEFLATED):
        raise WheelError(f"{origin} contains {name!r} encrypted, or with an unknown compression")
    if info.file_size > info.compress_size * _DENSEST + _DENSEST:
        raise WheelError(f"{origin} claims that {name!r} unpacks from {info.compress_size} bytes to {info.file_size}")
    deflated = info.compress_type == _DEFLATED
    executable = bool(mode & 0o111)
    return Member(name, info.file_size, info.compress_size, info.header_offset, deflated, executable, info.CRC)


def _check_names(found: list[Member], origin: str) -> None:
    seen: dict[str, str] = {}
    for member in found:
        name = member.name
        parts = name.split("/")
        if "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise WheelError(f"{origin} contains the name {name[:200]!r}, which may lead out of it; do not trust it")
        other = seen.setdefault(name.casefold(), name)
        if other is not name:
            if other == name:
                raise WheelError(f"{origin} contains {name!r} twice")
            raise WheelError(f"{origin} contains {other!r} and {name!r}, which are the same file on some systems")


def _data_at(head: bytes, member: Member, origin: str) -> int:
    """Where the data starts after the local header, which must name the same file as the directory."""
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

    def __init__(self, source: Bytes, offset: int, member: Member, origin: str) -> None:
        self._source = source
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
        data = self._source.read_at(min(wanted, self._packed_left), self._at)
        self._at += len(data)
        self._packed_left -= len(data)
        return data


class _AsFile(io.RawIOBase):
    """A file for the standard library's reader of directories."""

    def __init__(self, source: Bytes, end: int) -> None:
        self._source = source
        self._end = end
        self._at = 0

    def seekable(self) -> bool:
        """Always true."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes to a place."""
        self._at = max(0, offset + (0, self._at, self._end)[whence])
        return self._at

    def tell(self) -> int:
        """The current place."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._source.read_at(self._end - self._at if size < 0 else size, self._at)
        self._at += len(data)
        return data


def _damaged(member: Member, origin: str) -> WheelError:
    return WheelError(f"{origin} is damaged: the contents of {member.name!r} are wrong")


@contextmanager
def _explained(origin: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, NotImplementedError, ValueError) as error:
        raise WheelError(f"{origin} is damaged, or not a zip archive: {error}") from error
    except OSError as error:
        raise WheelError(f"{origin} cannot be read: {error.strerror or error}") from error
