"""A deb as entries: its files where an image has them, and what its maintainer's scripts would have left there.

/bin, /sbin, /lib*        lie in /usr; links lead there
var/lib/dpkg/status.d     tells scanners of the package, as there is no dpkg that keeps a database
"""

import contextlib
import gzip
import io
import lzma
import os
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, Protocol, cast

import msgspec

from lamella.package import Entry, Kind, Owner, Package, order
from lamella.sources.debian import fixups
from lamella.sources.tree import SourceError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RULES = "deb-1"
"""Changes whenever the entries of a deb would."""

MERGED = re.compile(r"/(bin|sbin|lib|lib32|lib64|libx32|libo32)(?=/|$)")
_MAGIC = b"!<arch>\n"
_HEADER = 60
_BLOCK = 1 << 20
_MOST_MEMBERS = 500_000
_DENSEST, _SMALL = 400, 64 << 20


class DebError(SourceError):
    """A deb is damaged, or made to harm."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What else is known of a deb than its content. `links` are those that alternatives make, and where they lead."""

    file: str
    size: int
    sha256: str = ""
    links: tuple[tuple[str, str], ...] = ()


class Reading(Protocol):
    """A file that is read at any place."""

    def read_at(self, count: int, at: int) -> bytes: ...


class Part(NamedTuple):
    """A member of the outer archive."""

    name: str
    offset: int
    size: int


def parts(source: Reading, origin: str) -> Iterator[Part]:
    """The members of a deb in their order."""
    if source.read_at(len(_MAGIC), 0) != _MAGIC:
        raise DebError(f"{origin} is not a deb")
    at = len(_MAGIC)
    while header := source.read_at(_HEADER, at):
        size = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise DebError(f"{origin} is damaged, or cut short")
        yield Part(header[:16].decode("ascii", "replace").strip().rstrip("/"), at + _HEADER, int(size))
        at += _HEADER + int(size) + int(size) % 2


def control(source: Reading, origin: str) -> dict[str, bytes]:
    """The documents of a deb that are not for the image: what it says of itself, and its scripts."""
    part = next((part for part in parts(source, origin) if part.name.startswith("control.tar")), None)
    if part is None or part.size > _SMALL:
        raise DebError(f"{origin} says nothing of itself")
    packed = source.read_at(part.size, part.offset)
    out = io.BytesIO()
    _decompress(io.BytesIO(packed), part.name, out.write, _SMALL, origin)
    found = {}
    with _explained(origin), tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file:
                found[member.name.removeprefix("./")] = file.read()
    return found


def entries(package: Package) -> Iterator[Entry]:
    """The files of the deb at `package.path`, as they lie in an image."""
    recipe = msgspec.json.decode(package.how, type=Recipe)
    path = Path(package.path)
    origin = package.id
    source = _File(_opened(path, origin))
    data = next((part for part in parts(source, origin) if part.name.startswith("data.tar")), None)
    if data is None:
        raise DebError(f"{origin} holds no files")
    unpacked = _File(os.open(path.parent, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC))
    packed = _Window(source, data.offset, data.size)
    limit = max(data.size * _DENSEST, _SMALL)
    _decompress(cast("BinaryIO", packed), data.name, unpacked.write, limit, origin)
    found = {entry.path: entry for entry in _files(unpacked, origin)}
    documents = control(source, origin)
    links = [(f"/usr{place}" if MERGED.match(place) else place, target) for place, target in recipe.links]
    for entry in fixups.all_of(package.name, found, documents, links):
        there = found.setdefault(entry.path, entry)
        if there.kind is Kind.DIRECTORY and entry.kind is Kind.SYMLINK:
            found[entry.path] = entry
    del source, packed  # an image may have many hundreds of these open at once
    yield from sorted(found.values(), key=lambda entry: order(entry.path))


def _opened(path: Path, origin: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DebError(f"{origin} cannot be read: {error.strerror}") from error


class _File:
    """An open file, which is closed when nothing speaks of it any more."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = os.fstat(number).st_size

    def read_at(self, count: int, at: int) -> bytes:
        return os.pread(self.number, count, at)

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(self.number, view) :]
        self.size += len(data)
        return len(data)

    def __del__(self) -> None:
        os.close(self.number)


class _Window(io.RawIOBase):
    """Part of a file, read from its start to its end."""

    def __init__(self, file: _File, offset: int, size: int) -> None:
        self._file = file
        self._start = self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(self._start, offset + (self._start, self._at, self._end)[whence])
        return self._at - self._start

    def tell(self) -> int:
        return self._at - self._start

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._at)
        data = self._file.read_at(left if size < 0 else min(size, left), self._at)
        self._at += len(data)
        return data


def _decompress(packed: BinaryIO, name: str, write: Callable[[bytes], object], limit: int, origin: str) -> None:
    """What is in `packed`, by the ending of its name."""
    ending = name.removeprefix("data.tar").removeprefix("control.tar")
    openers: dict[str, Callable[[BinaryIO], IO[bytes]]] = {
        ".xz": lzma.LZMAFile,
        ".gz": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
        ".zst": lambda file: cast("IO[bytes]", zstd.ZstdFile(file)),
        "": lambda file: file,
    }
    if ending not in openers:
        raise DebError(f"{origin} holds {name!r}, compressed in a way that is not known")
    passed = 0
    with _explained(origin):
        file = openers[ending](packed)
        while data := file.read(_BLOCK):
            passed += len(data)
            if passed > limit:
                raise DebError(f"{origin} unpacks to more than {limit} bytes; do not trust it")
            write(data)


def _files(unpacked: _File, origin: str) -> Iterator[Entry]:
    """The members of the inner archive, at their places."""
    count = 0
    seen: dict[bytes, Entry] = {}
    links: dict[str, str] = {}
    window = cast("BinaryIO", _Window(unpacked, 0, unpacked.size))
    with _explained(origin), tarfile.open(fileobj=window, mode="r:") as archive:
        for member in archive:
            count += 1
            if count > _MOST_MEMBERS:
                raise DebError(f"{origin} holds more than {_MOST_MEMBERS} files, and that is not believed")
            path = _place(member.name, origin)
            merged = MERGED.match(path)
            if merged:
                links[merged[0]] = f"usr{merged[0]}"
                path = f"/usr{path}"
            entry = _entry(member, path, unpacked, seen, origin) if path not in ("/", *links) else None
            if entry and entry.path in seen and entry.kind is not Kind.DIRECTORY:
                raise DebError(f"{origin} holds {path!r} twice")
            if entry:
                seen[entry.path] = entry
    yield from seen.values()
    yield from (Entry(path.encode(), Kind.SYMLINK, 0o777, target=to.encode()) for path, to in links.items())


def _place(name: str, origin: str) -> str:
    """Where a member lies; never outside."""
    plain = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in plain or "\0" in name or name.startswith("/"):
        raise DebError(f"{origin} holds the name {name[:200]!r}, which may lead out of it; do not trust it")
    return "/" + "/".join(plain)


def _entry(member: tarfile.TarInfo, path: str, unpacked: _File, seen: dict[bytes, Entry], origin: str) -> Entry:
    name = path.encode("utf-8", "surrogateescape")
    owner = Owner(member.uid, member.gid, member.uname or str(member.uid), member.gname or str(member.gid))
    mode = member.mode & 0o7777
    if member.isdir():
        return Entry(name, Kind.DIRECTORY, mode, owner=owner)
    if member.issym():
        target = member.linkname.encode("utf-8", "surrogateescape")
        return Entry(name, Kind.SYMLINK, 0o777, target=target, owner=owner)
    if member.islnk():
        to = _place(member.linkname, origin)
        other = seen.get((f"/usr{to}" if MERGED.match(to) else to).encode("utf-8", "surrogateescape"))
        if other is None or other.kind is not Kind.FILE:
            raise DebError(f"{origin}: {path} is a link to {to}, which is not before it")
        return other._replace(path=name)
    if not member.isreg() or member.issparse():
        raise DebError(f"{origin} holds {path}, which is neither file, folder nor link")
    if member.offset_data + member.size > unpacked.size:
        raise DebError(f"{origin} is cut short: {path} does not end in it")
    opened = _opener(unpacked, member.offset_data, member.size)
    return Entry(name, Kind.FILE, mode, member.size, content=opened, owner=owner)


def _opener(file: _File, offset: int, size: int) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", _Window(file, offset, size))


@contextlib.contextmanager
def _explained(origin: str) -> Iterator[None]:
    """Turns what decompressors and readers of archives raise into one line."""
    try:
        yield
    except (lzma.LZMAError, gzip.BadGzipFile, zstd.ZstdError, tarfile.TarError, EOFError, ValueError) as error:
        raise DebError(f"{origin} is damaged: {error}") from error
    except OSError as error:
        raise DebError(f"{origin} cannot be unpacked: {error.strerror or error}") from error
