"""The loader's cache of shared libraries (`ld.so.cache`), for images whose system consists of Debian packages.

It is a package of its own. Its content follows from those of all debs, so it is known before any of them is read; the
file is made from what is remembered of each deb.
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


def cache_of(closures: Sequence[Closure]) -> Package | None:
    """Return the package with the cache of all debs in `closures`; None if there is no loader that reads it."""
    debs = {one.id: one for each in closures for one in each.packages if one.source == "deb"}
    if not any(one.name == _LOADER for one in debs.values()):
        return None
    bare = [replace(debs[name], references=()) for name in sorted(debs)]
    content = sha256(b"\0".join([_RULES.encode(), *(one.content.encode() for one in bare)]))
    return Package(SOURCE, SOURCE, content, _ABOUT, (), SOURCE, at="/etc", how=msgspec.json.encode(bare).decode())


def has_debs(whole: Closure) -> bool:
    """Whether there are debs: then the layer changes with them anyway, when the cache changes."""
    return any(one.source == "deb" for one in whole.packages)


def with_cache(whole: Closure, cache: Package) -> Closure:
    """Return the closure with the cache as one more root."""
    return merge([whole, closure([cache], [cache.id])])


def unread(cache: Package, place: Workplace) -> list[Package]:
    """Return the packages that have to be read for the cache."""
    return [one for one in _debs_of(cache) if place.records.read(_record(one), Libraries) is None]


def _debs_of(cache: Package) -> list[Package]:
    """The debs of a cache. It may come from an image that is not trusted."""
    try:
        found = decode_as(cache.how, list[Package])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{cache.id} does not say which packages it is made from: {error}") from error
    return [one for one in found if one.source == "deb"]


def _record(package: Package) -> str:
    return f"libraries/{package.content}"


def entries(cache: Package, give: Entries, place: Workplace) -> Iterator[Entry]:
    """Yield the cache; libraries of a package that are not remembered are found in its files, from `give`."""
    yield made(ldcache.PLACE, ldcache.encoded([_libraries(one, give, place) for one in _debs_of(cache)]))


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
