"""Finds the files of a tar archive, so that they can be read in any order without unpacking.

Archives are not trusted. They must be well-formed: names below the archive's root, each file once, headers with right
checksums, and no more of them than an image can have. Links are followed inside the archive.
"""

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from lamella.images.stored import Extent, ImageError

_BLOCK = 512
_MOST_MEMBERS = 20_000
_LONGEST_NAME = 1024
_LONGEST_EXTENSION = 64 << 10
_MOST_HOPS = 40
_FILES, _HARDLINK, _SYMLINK = (b"0", b"\0", b"7"), b"1", b"2"
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_EXTENSIONS = (b"x", b"g", b"L", b"K")


class _Member(NamedTuple):
    kind: bytes
    name: str
    target: str
    offset: int
    size: int


@dataclass(frozen=True)
class Members:
    """The files of the archive that `open` opens."""

    origin: str
    open: Callable[[], BinaryIO]
    entries: dict[str, tuple[int, int]]
    links: dict[str, str]

    def find(self, name: str) -> Extent:
        """Return the file `name`, following links; raise an `ImageError` if it does not exist."""
        found = name
        for _ in range(_MOST_HOPS):
            if found in self.entries:
                offset, size = self.entries[found]
                return Extent(f"{name!r} in {self.origin}", self.open, offset, size)
            if found not in self.links:
                raise ImageError(f"{self.origin} has no {name!r}" + (f" ({found!r})" if found != name else ""))
            found = self.links[found]
        raise ImageError(f"{self.origin}: {name!r} is a link to itself")

    def holds(self, name: str) -> bool:
        """Whether the file `name` exists."""
        return name in self.entries or name in self.links


def read_members(opener: Callable[[], BinaryIO], origin: str) -> Members:
    """Find the members of the uncompressed archive that `opener` opens."""
    entries: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    with opener() as file:
        for member in _walk(file, origin):
            name = _inside(member.name, origin)
            if member.kind not in (*_FILES, _HARDLINK, _SYMLINK):
                continue
            if name in entries or name in links:
                raise ImageError(f"{origin} has {name!r} twice; create it again")
            if member.kind in _FILES:
                entries[name] = (member.offset, member.size)
            else:
                folder = posixpath.dirname(name) if member.kind == _SYMLINK else ""
                links[name] = _inside(posixpath.join(folder, member.target), origin)
            if len(entries) + len(links) > _MOST_MEMBERS:
                raise ImageError(f"{origin} has more than {_MOST_MEMBERS} files; this is not an image's archive")
    return Members(origin, opener, entries, links)


def _inside(name: str, origin: str) -> str:
    """The normalized `name`, which must be below the root."""
    plain = posixpath.normpath(name)
    if plain.startswith(("/", "../")) or plain == ".." or "\0" in plain:
        raise ImageError(f"{origin} has the name {name[:200]!r}, which leads out of it; do not trust this archive")
    return plain


def _walk(file: BinaryIO, origin: str) -> Iterator[_Member]:
    """The members in the archive's order, with the values of their extended headers."""
    end = os.fstat(file.fileno()).st_size
    at = 0
    told: dict[str, str] = {}
    while at < end:
        header = os.pread(file.fileno(), _BLOCK, at)
        if len(header) < _BLOCK:
            raise ImageError(f"{origin} is cut short, or not a tar archive")
        if not header.strip(b"\0"):
            return
        member = _member(header, at + _BLOCK, told, origin)
        if member.offset + member.size > end:
            raise ImageError(f"{origin} is cut short: {member.name[:200]!r} is not complete")
        at = member.offset + -(-member.size // _BLOCK) * _BLOCK
        if member.kind in _EXTENSIONS:
            told |= _extension(file, member, origin)
            continue
        if member.kind == b"S" or "sparse" in told:
            raise ImageError(f"{origin} has the sparse file {member.name!r}; create it again without sparse files")
        told = {}
        yield member


def _member(header: bytes, offset: int, told: dict[str, str], origin: str) -> _Member:
    if _number(header[148:156], origin) != sum(header) - sum(header[148:156]) + 8 * 32:
        raise ImageError(f"{origin} is damaged, or not a tar archive (a header's checksum is wrong)")
    kind = header[156:157]
    if kind in _EXTENSIONS:
        told = {}
    name, prefix = _text(header[:100]), _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    size = 0 if kind in _WITHOUT_DATA else _size(header, told, origin)
    name = told.get("path") or (f"{prefix}/{name}" if prefix else name)
    target = told.get("linkpath") or _text(header[157:257])
    if len(name) > _LONGEST_NAME or len(target) > _LONGEST_NAME:
        raise ImageError(f"{origin} has a name of {max(len(name), len(target))} characters, which is too long")
    return _Member(kind, name, target, offset, size)


def _size(header: bytes, told: dict[str, str], origin: str) -> int:
    if "size" not in told:
        return _number(header[124:136], origin)
    if not re.fullmatch("[0-9]{1,18}", told["size"]):
        raise ImageError(f"{origin} is damaged: {told['size'][:40]!r} is not a size")
    return int(told["size"])


def _number(field: bytes, origin: str) -> int:
    """A number in octal, or in base 256 if it is too large for that."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise ImageError(f"{origin} is damaged, or not a tar archive ({field!r} is not a number)")
    return int(digits or b"0", 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _extension(file: BinaryIO, member: _Member, origin: str) -> dict[str, str]:
    """What an extended header, PAX or GNU, says about the next member."""
    if member.size > _LONGEST_EXTENSION:
        raise ImageError(f"{origin} has an extended header of {member.size} bytes, which is too large")
    data = os.pread(file.fileno(), member.size, member.offset)
    if member.kind in (b"L", b"K"):
        return {"path" if member.kind == b"L" else "linkpath": _text(data)}
    told = {}
    while member.kind == b"x" and data:
        record = re.match(rb"([0-9]{1,6}) ([^=]+)=", data)
        count = int(record[1]) if record else 0
        if not record or not record.end() < count <= len(data) or data[count - 1 : count] != b"\n":
            raise ImageError(f"{origin} is damaged: an extended header cannot be read")
        key, value = record[2].decode("utf-8", "replace"), data[record.end() : count - 1]
        if key in ("path", "linkpath", "size"):
            told[key] = value.decode("utf-8", "surrogateescape")
        elif key.startswith("GNU.sparse"):
            told["sparse"] = ""
        data = data[count:]
    return told
