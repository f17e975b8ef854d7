"""The note of shared libraries that the loader goes by, for images whose system is of Debian packages.

It is a package of its own, of all the others' contents: known before any of them is read, and made from what is
remembered of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import msgspec

from lamella.closure import Closure, closure, merge
from lamella.oci.digest import sha256
from lamella.oci.typed import decode_as
from lamella.package import Entries, Entry, Kind, Package
from lamella.pipeline.packages.programs import data_of, elf_of
from lamella.pipeline.workplace import Workplace
from lamella.sources.debian import ldcache
from lamella.sources.debian.fixups import made
from lamella.sources.debian.ldcache import Libraries, Library
from lamella.sources.tree import SourceError

SOURCE = "ld.so.cache"
_RULES = "ld.so.cache-1"
_LOADER = "libc6"
_ABOUT = 32 << 10


def noted(closures: Sequence[Closure]) -> Package | None:
    """The package that tells of the libraries in all debs of `closures`, if there is a loader that reads it."""
    debs = {one.id: one for each in closures for one in each.packages if one.source == "deb"}
    if not any(one.name == _LOADER for one in debs.values()):
        return None
    bare = [replace(debs[name], references=()) for name in sorted(debs)]
    content = sha256(b"\0".join([_RULES.encode(), *(one.content.encode() for one in bare)]))
    return Package(SOURCE, SOURCE, content, _ABOUT, (), SOURCE, at="/etc", how=msgspec.json.encode(bare).decode())


def has_debs(whole: Closure) -> bool:
    """Whether there are any, so that a change of the note is not the only one there."""
    return any(one.source == "deb" for one in whole.packages)


def with_note(whole: Closure, note: Package) -> Closure:
    """The closure, and the note as one of its roots."""
    return merge([whole, closure([note], [note.id])])


def unknown(note: Package, place: Workplace) -> list[Package]:
    """The packages that have to be looked into for the note."""
    return [one for one in _debs_of(note) if place.records.read(_record(one), Libraries) is None]


def _debs_of(note: Package) -> list[Package]:
    """The packages that a note is of. It may come from an image that anybody made."""
    try:
        found = decode_as(note.how, list[Package])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{note.id} does not say of which packages it is: {error}") from error
    return [one for one in found if one.source == "deb"]


def _record(package: Package) -> str:
    return f"libraries/{package.content}"


def entries(note: Package, give: Entries, place: Workplace) -> Iterator[Entry]:
    """The note itself; what is not remembered of a package is looked for among the files that `give` gives."""
    yield made(ldcache.PLACE, ldcache.encoded([_libraries(one, give, place) for one in _debs_of(note)]))


def _libraries(package: Package, give: Entries, place: Workplace) -> Libraries:
    known = place.records.read(_record(package), Libraries)
    if known is None:
        known = _looked(give(package))
        place.records.write(_record(package), known)
    return known


def _looked(found: Iterable[Entry]) -> Libraries:
    links, files, conf = [], [], {}
    for entry in found:
        path = entry.path.decode("utf-8", "surrogateescape")
        if entry.kind is Kind.SYMLINK:
            links.append((path, entry.target.decode("utf-8", "surrogateescape")))
        elif ldcache.CONFIGURED.fullmatch(path):
            with data_of(entry) as data:
                conf[path] = bytes(data).decode("utf-8", "replace")
        elif ldcache.LIBRARY.fullmatch(path.rpartition("/")[2]) and (told := elf_of(entry)):
            files.append(Library(path, told[1].soname, told[1].machine))
    return ldcache.libraries(links, files, conf)
