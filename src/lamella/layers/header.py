"""Tar headers, byte for byte as Go's `archive/tar` writes them: USTAR, preceded by PAX where something does not fit.

    [ x header | records ]  header  data  padding
      only if something        ^
      does not fit             name, mode, owner, size, time, checksum, kind, link, owner's names, prefix

Most headers of a layer differ only in name and size. What mode, owner and kind contribute to the bytes and to the
checksum is computed once.
"""

from functools import lru_cache
from typing import NamedTuple
from zlib import adler32

from lamella.errors import LamellaError, shown
from lamella.layers.names import clean
from lamella.package import MTIME, Entry, Kind, Owner

UNIT = 512
_NAME = 100
_PREFIX = 155
_OWNER_NAME = 32
_SMALL = 0o7777777
_LARGEST = 0o77777777777

_TIME = b"%011o\0" % MTIME
_NO_TIME = b"00000000000\0"
_MAGIC = b"ustar\x0000"
_DEVICES = b"0000000\x000000000\0"
_NO_LINK = bytes(_NAME)
_BLANK_CHECKSUM = b" " * 8


class HeaderError(LamellaError):
    """A file cannot be described in a tar archive."""

    exit_code = 3


class _Fixed(NamedTuple):
    """The part of a header that depends on kind, mode and owner; `total` is its share of the checksum."""

    numbers: bytes
    kind: bytes
    names: bytes
    total: int
    records: tuple[tuple[bytes, bytes], ...]
    """PAX records for parts of the owner that do not fit into USTAR."""


def header(entry: Entry) -> bytes:
    """Return everything that comes before the entry's data."""
    path, kind, mode, size, target, _, owner = entry
    fixed = _fixed(kind, mode, owner)
    prefix = b""
    name = path
    if len(path) > _NAME:
        cut = path.rfind(b"/", 0, _PREFIX + 1)
        if cut > 0:
            prefix, name = path[:cut], path[cut + 1 :]
    text = name + prefix + target
    if (
        len(name) > _NAME
        or len(target) > _NAME
        or size > _LARGEST
        or fixed.records
        or b"\0" in text
        or not text.isascii()
    ):
        return _with_records(entry, fixed)
    digits = b"%011o\0" % size
    # The lower half of Adler-32 is the plain sum of the bytes; text this short cannot overflow it.
    total = fixed.total + (adler32(text + digits) & 0xFFFF) - 1
    return b"".join(
        (
            name.ljust(_NAME, b"\0"),
            fixed.numbers,
            digits,
            _TIME,
            b"%06o\0 " % total,
            fixed.kind,
            target.ljust(_NAME, b"\0") if target else _NO_LINK,
            fixed.names,
            prefix.ljust(167, b"\0"),
        )
    )


@lru_cache(maxsize=1024)
def _fixed(kind: Kind, mode: int, owner: Owner) -> _Fixed:
    if not 0 <= mode <= _SMALL or min(owner.uid, owner.gid) < 0:
        raise HeaderError(f"mode {mode:o} with owner {owner.uid}:{owner.gid} does not fit into a tar archive")
    uname, gname = owner.uname.encode(), owner.gname.encode()
    if b"\0" in uname + gname:
        raise HeaderError(f"the owner's name {owner.uname!r} or group {owner.gname!r} contains a NUL byte")
    numbers = b"%07o\0" % mode + _octal(owner.uid) + _octal(owner.gid)
    names = _MAGIC + _short(uname, _OWNER_NAME) + _short(gname, _OWNER_NAME) + _DEVICES
    large = [(key, n) for key, n in ((b"uid", owner.uid), (b"gid", owner.gid)) if n > _SMALL]
    long = [(key, n) for key, n in ((b"uname", uname), (b"gname", gname)) if not _fits(n, _OWNER_NAME)]
    return _Fixed(
        numbers,
        bytes([kind]),
        names,
        sum(numbers) + kind + sum(names) + sum(_TIME) + sum(_BLANK_CHECKSUM),
        tuple([(key, b"%d" % n) for key, n in large] + long),
    )


def _with_records(entry: Entry, fixed: _Fixed) -> bytes:
    """A PAX header with what does not fit into USTAR, then a USTAR header with the rest."""
    path, size, target = entry.path, entry.size, entry.target
    if b"\0" in path + target:
        raise HeaderError(f"the name or link target of {shown(path)} contains a NUL byte")
    records = list(fixed.records)
    records += [(key, text) for key, text in ((b"path", path), (b"linkpath", target)) if not _fits(text, _NAME)]
    if size > _LARGEST:
        records.append((b"size", b"%d" % size))
    data = b"".join(_record(key, value) for key, value in sorted(records))
    folder, slash, name = path.rpartition(b"/")
    title = _ascii(clean(folder + slash + b"PaxHeaders.0/" + name))[:_NAME].rstrip(b"/")
    nobody = _octal(0) * 3
    extra = _summed(title.ljust(_NAME, b"\0") + nobody, b"%011o\0" % len(data) + _NO_TIME, b"x" + _NO_LINK + _MAGIC)
    main = _summed(
        _short(path, _NAME) + fixed.numbers,
        b"%011o\0" % (size if size <= _LARGEST else 0) + _TIME,
        fixed.kind + _short(target, _NAME) + fixed.names,
    )
    return extra + data + bytes(-len(data) % UNIT) + main


def _record(key: bytes, value: bytes) -> bytes:
    """`<length> key=value`; the length includes itself."""
    size = len(key) + len(value) + 3
    size += len(str(size))
    text = b"%d %b=%b\n" % (size, key, value)
    return text if len(text) == size else b"%d %b=%b\n" % (len(text), key, value)


def _summed(before: bytes, numbers: bytes, after: bytes) -> bytes:
    """One header block with its checksum."""
    total = sum(before) + sum(numbers) + sum(_BLANK_CHECKSUM) + sum(after)
    return (before + numbers + b"%06o\0 " % total + after).ljust(UNIT, b"\0")


def _fits(text: bytes, width: int) -> bool:
    return len(text) <= width and text.isascii()


def _ascii(text: bytes) -> bytes:
    return text if text.isascii() else bytes(sign for sign in text if sign < 0x80)


def _octal(number: int) -> bytes:
    return b"%07o\0" % (number if number <= _SMALL else 0)


def _short(text: bytes, width: int) -> bytes:
    """`text` cut or padded to a field of `width` bytes. A cut must not leave a slash at the end of the field."""
    text = _ascii(text)
    if len(text) <= width:
        return text.ljust(width, b"\0")
    field = bytearray(text[:width])
    if field.endswith(b"/"):
        field[len(field[:-1].rstrip(b"/"))] = 0
    return bytes(field)
