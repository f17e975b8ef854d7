"""A deb as entries: its files at their places in an image, and the results of its maintainer's scripts.

/bin, /sbin, /lib*        are links into /usr
var/lib/dpkg/status.d     describes the package for scanners, as there is no dpkg database
"""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from lamella.oci.typed import decode_as
from lamella.package import Entry, Kind, Owner, Package, order
from lamella.sources.debian import alternatives, fixups
from lamella.sources.debian.fixups import MERGED
from lamella.sources.debian.recipe import Recipe
from lamella.sources.spool import DamagedError, Spool, decompress, explained, nameless, opened

_MAGIC = b"!<arch>\n"
_HEADER = 60
_MOST_MEMBERS = 500_000
_DENSEST, _SMALL = 400, 64 << 20


class Reading(Protocol):
    """A file that can be read at any place."""

    def read_at(self, count: int, at: int) -> bytes: ...


class Part(NamedTuple):
    """A member of the outer archive."""

    name: str
    offset: int
    size: int


def parts(source: Reading, origin: str) -> Iterator[Part]:
    """The members of a deb, in order."""
    if source.read_at(len(_MAGIC), 0) != _MAGIC:
        raise DamagedError(f"{origin} is not a deb")
    at = len(_MAGIC)
    while header := source.read_at(_HEADER, at):
        size = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise DamagedError(f"{origin} is damaged, or cut short")
        yield Part(header[:16].decode("ascii", "replace").strip().rstrip("/"), at + _HEADER, int(size))
        at += _HEADER + int(size) + int(size) % 2


def control(source: Reading, origin: str) -> dict[str, bytes]:
    """The control files of a deb: its metadata and its scripts."""
    part = next((part for part in parts(source, origin) if part.name.startswith("control.tar")), None)
    if part is None or part.size > _SMALL:
        raise DamagedError(f"{origin} has no control files")
    packed = source.read_at(part.size, part.offset)
    out = io.BytesIO()
    decompress(io.BytesIO(packed), _ending(part), out.write, _SMALL, origin)
    found = {}
    with explained(origin), tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file:
                found[member.name.removeprefix("./")] = file.read()
    return found


def entries(package: Package) -> Iterator[Entry]:
    """The files of the deb at `package.path`, at their places in an image."""
    recipe = decode_as(package.how, Recipe)
    path = Path(package.path)
    origin = package.id
    source = opened(path, origin)
    data = next((part for part in parts(source, origin) if part.name.startswith("data.tar")), None)
    if data is None:
        raise DamagedError(f"{origin} has no files")
    unpacked = nameless(path.parent)
    limit = max(data.size * _DENSEST, _SMALL)
    decompress(source.window(data.offset, data.size), _ending(data), unpacked.write, limit, origin)
    found = {entry.path: entry for entry in _files(unpacked, origin)}
    documents = control(source, origin)
    _check_links(recipe.links, documents, origin)
    links = [(f"/usr{place}" if MERGED.match(place) else place, target) for place, target in recipe.links]
    for entry in fixups.all_of(package.name, found, documents, links):
        there = found.setdefault(entry.path, entry)
        if there.kind is Kind.DIRECTORY and entry.kind is Kind.SYMLINK:
            found[entry.path] = entry
    del source  # an image may have many hundreds of these open at once
    yield from sorted(found.values(), key=lambda entry: order(entry.path))


def _check_links(links: Sequence[tuple[str, str]], documents: Mapping[str, bytes], origin: str) -> None:
    """Raises an error for links that are not in the package's script: the lock has them from unverified bytes."""
    own = {link for one in alternatives.read(documents.get("postinst", b"")) for link in alternatives.links(one)}
    wrong = next((f"{place} -> {target}" for place, target in links if (place, target) not in own), "")
    if wrong:
        raise DamagedError(f"{origin} sets up no alternative {wrong[:200]}, so the lock is wrong; run lamella lock")


def _ending(part: Part) -> str:
    """The compression of a member."""
    return part.name.rpartition(".tar")[2].removeprefix(".")


def _files(unpacked: Spool, origin: str) -> Iterator[Entry]:
    """The members of the inner archive, at their places."""
    count = 0
    seen: dict[bytes, Entry] = {}
    links: dict[str, str] = {}
    window = unpacked.window(0, unpacked.size)
    with explained(origin), tarfile.open(fileobj=window, mode="r:") as archive:
        for member in archive:
            count += 1
            if count > _MOST_MEMBERS:
                raise DamagedError(f"{origin} has more than {_MOST_MEMBERS} files, which is the limit")
            path = _place(member.name, origin)
            merged = MERGED.match(path)
            if merged:
                links[merged[0]] = f"usr{merged[0]}"
                if path == merged[0] and member.issym():
                    continue
                path = f"/usr{path}"
            entry = _entry(member, path, unpacked, seen, origin) if path != "/" else None
            if entry and entry.path in seen and entry.kind is not Kind.DIRECTORY:
                raise DamagedError(f"{origin} has {path!r} twice")
            if entry:
                seen[entry.path] = entry
    yield from seen.values()
    yield from (Entry(path.encode(), Kind.SYMLINK, 0o777, target=to.encode()) for path, to in links.items())


def _place(name: str, origin: str) -> str:
    """The place of a member; never outside of the image."""
    plain = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in plain or "\0" in name or name.startswith("/"):
        raise DamagedError(f"{origin} contains the name {name[:200]!r}, which may lead out of it; do not trust it")
    return "/" + "/".join(plain)


def _entry(member: tarfile.TarInfo, path: str, unpacked: Spool, seen: dict[bytes, Entry], origin: str) -> Entry:
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
            raise DamagedError(f"{origin}: {path} is a link to {to}, which does not come before it")
        return other._replace(path=name)
    if not member.isreg() or member.issparse():
        raise DamagedError(f"{origin} contains {path}, which is neither file, folder nor link")
    if member.offset_data + member.size > unpacked.size:
        raise DamagedError(f"{origin} is cut short: {path} does not end in it")
    content = unpacked.opener(member.offset_data, member.size)
    return Entry(name, Kind.FILE, mode, member.size, content=content, owner=owner)
