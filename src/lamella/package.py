"""What images are made of: packages, their entries, and the rules that a layer applies to them.

    source --resolve--> Package --entries--> Entry --rules--> tar header and data

A `Package` is known before its files are read; an `Entry` is one file at its place in the image.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, NamedTuple

from lamella.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Package:
    """An immutable tree of files.

    `content` is the digest of its entries and of their places, so equal contents give equal layers. `name` stays the
    same from one version to the next; `id` is unique in a closure. `path` is where its files are on this machine, if
    they are, and `at` where they are in the image; `how` is what else its source needs to read them, in a format of its
    own. Only `content` identifies the files.
    """

    id: str
    name: str
    content: Digest
    size: int
    references: tuple[str, ...] = ()
    source: str = ""
    path: str = ""
    at: str = ""
    how: str = ""


MTIME = 1
"""The modification time of every file in a layer: one second after the epoch."""


class Kind(IntEnum):
    """The kind of an entry; the values are the type flags of tar."""

    FILE = ord("0")
    SYMLINK = ord("2")
    DIRECTORY = ord("5")


class Owner(NamedTuple):
    uid: int = 0
    gid: int = 0
    uname: str = "root"
    gname: str = "root"


ROOT = Owner()

Content = bytes | Callable[[], BinaryIO]
"""Where a file's bytes are: the path of a local file (faster), or a function that opens them."""


class Entry(NamedTuple):
    """One file of a package at its place in the image.

    `path` has no trailing slash and no `.` or `..` parts below its root; it may start with `/`.
    A source yields a package's entries as a depth-first walk, with the children of a directory sorted by bytes, and
    every directory before its content.
    """

    path: bytes
    kind: Kind
    mode: int
    size: int = 0
    target: bytes = b""
    content: Content | None = None
    owner: Owner = ROOT


@dataclass(frozen=True, slots=True)
class Permission:
    """Sets mode and owner of entries whose source path contains a match of `regex`; `or_mode` adds bits to the mode.

    None and empty values change nothing.
    """

    regex: str
    mode: int | None = None
    or_mode: int = 0
    uid: int | None = None
    gid: int | None = None
    uname: str = ""
    gname: str = ""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Replaces each match of `regex` in a source path by `repl` (`$1` is a group); an empty result drops the entry."""

    regex: str
    repl: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What a layer changes in the entries of a package. Rewrites apply one after the other, and so do permissions.

    Entries whose path in the image contains a match of `ignore` are left out, directories with their content.
    """

    rewrites: tuple[Rewrite, ...] = ()
    permissions: tuple[Permission, ...] = ()
    ignore: str = ""


NO_RULES = Rules()


def order(path: bytes) -> bytes:
    """Return a key that sorts paths part by part: no byte comes before the one for the slash."""
    return path.replace(b"/", b"\0")


Entries = Callable[[Package], Iterator[Entry]]
"""Returns a package's files, whatever its source."""
