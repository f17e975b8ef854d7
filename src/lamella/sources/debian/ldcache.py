"""`/etc/ld.so.cache`: where the loader finds shared libraries by name, as `ldconfig` would write it.

    header | an entry for each library: kind, name, path | the names and paths
             the newest version first, for the loader's binary search

The folders are those in `/etc/ld.so.conf.d`, and the usual ones.
"""

import posixpath
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lamella.sources.debian.fixups import MERGED

PLACE = "/etc/ld.so.cache"
CONFIGURED = re.compile(r"/etc/ld\.so\.conf\.d/[^/]+\.conf")
LIBRARY = re.compile(r"(lib|ld-).*\.so.*")
KINDS = {"386": 0x3, "amd64": 0x303, "arm64": 0xA03, "ppc64le": 0x503, "riscv64": 0x1003}
"""The kinds of libraries that loaders accept, for all current C libraries."""

_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE = 2
_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<IIIIQ")
_USUAL = ("/lib", "/usr/lib")
_MOST_LINKS = 40


class Library(msgspec.Struct, frozen=True, array_like=True):
    """A file with its soname, or a link with its target."""

    path: str
    soname: str = ""
    machine: str = ""
    target: str = ""


class Libraries(msgspec.Struct, frozen=True, array_like=True):
    """The libraries in a package; `folders` are by the file in `/etc/ld.so.conf.d` that names them."""

    found: tuple[Library, ...] = ()
    folders: tuple[tuple[str, tuple[str, ...]], ...] = ()


class _Noted(NamedTuple):
    name: str
    kind: int
    path: str


def folders_in(text: str) -> tuple[str, ...]:
    """The folders in a file of `/etc/ld.so.conf.d`."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line.rstrip("/") for line in lines if line.startswith("/"))


def encoded(whole: Sequence[Libraries]) -> bytes:
    """The file, for all packages of an image."""
    noted = sorted(dict.fromkeys(_noted(whole)), key=lambda one: (_rank(one.name), one.kind), reverse=True)
    strings, places = bytearray(), {}
    start = _HEADER.size + _ENTRY.size * len(noted)
    for text in dict.fromkeys(text for one in noted for text in (one.name, one.path)):
        places[text] = start + len(strings)
        strings += text.encode("utf-8", "surrogateescape") + b"\0"
    entries = b"".join(_ENTRY.pack(one.kind, places[one.name], places[one.path], 0, 0) for one in noted)
    return _HEADER.pack(_MAGIC, len(noted), len(strings), _LITTLE, 0) + entries + strings


def _noted(whole: Sequence[Libraries]) -> Iterator[_Noted]:
    known = {one.path: one for each in whole for one in each.found}
    named = sorted(pair for each in whole for pair in each.folders)
    folders: dict[str, str] = {}
    for folder in (*(folder for _, them in named for folder in them), *_USUAL):
        folders.setdefault(merged(folder), folder)
    for real, folder in folders.items():
        for path, one in sorted(known.items()):
            there, _, name = path.rpartition("/")
            if there == real and LIBRARY.fullmatch(name):
                file = _followed(one, known)
                if file and file.machine in KINDS:
                    soname = _called(name, file, is_link=file is not one)
                    if f"{real}/{soname}" in known:
                        yield _Noted(soname, KINDS[file.machine], f"{folder}/{soname}")


def merged(path: str) -> str:
    """The place of a path when /lib is /usr/lib."""
    return f"/usr{path}" if MERGED.match(path) else path


def _followed(one: Library, known: Mapping[str, Library]) -> Library | None:
    """The file that a chain of links ends at."""
    found: Library | None = one
    for _ in range(_MOST_LINKS):
        if found is None or not found.target:
            return found
        path = posixpath.normpath(posixpath.join(posixpath.dirname(found.path), found.target))
        found = known.get(merged(path))
    return None


def _called(name: str, file: Library, *, is_link: bool) -> str:
    """The name of a library: its soname, except for links that only compilers use."""
    own = file.path.rpartition("/")[2]
    soname = file.soname or name
    keeps = own == soname or (own.endswith(".so") and soname.startswith(own))
    return name if is_link and keeps else soname


def _rank(name: str) -> list[tuple[int, int]]:
    """The loader's order of names: numbers count as such, and come after letters."""
    parts = re.findall(r"\d+|.", name, re.DOTALL)
    return [(1, int(part)) if part.isdecimal() else (0, ord(part)) for part in parts]


def libraries(links: Iterable[tuple[str, str]], files: Iterable[Library], conf: Mapping[str, str]) -> Libraries:
    """The libraries in a package, from what was found in it."""
    found = [*files, *(Library(path, target=target) for path, target in links if ".so" in path.rpartition("/")[2])]
    folders = tuple(sorted((path, folders_in(text)) for path, text in conf.items()))
    return Libraries(tuple(sorted(found, key=lambda one: one.path)), folders)
