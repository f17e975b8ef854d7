"""Shared libraries that are needed but missing in an image, and which packages need them."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from lamella.checks.elf import Elf

_LOADERS = ("ld-linux", "ld64.so", "ld.so", "ld-musl", "linux-vdso", "linux-gate")
_DRIVER = ("libcuda.so", "libnvidia-", "libnvcuvid.so", "libnvoptix.so")
"""Libraries that come with the driver of the machine on which the image runs."""


class Program(NamedTuple):
    """An ELF file of an image."""

    path: str
    package: str
    elf: Elf


class Missing(NamedTuple):
    """A library that is needed but missing; `users` are packages, each with a file that needs it."""

    library: str
    users: tuple[tuple[str, str], ...]


def missing(programs: Iterable[Program], names: Iterable[str]) -> list[Missing]:
    """The libraries that `programs` need and that are not among the `names` of an image's files and links.

    Where in the image a library is does not matter: many programs load what they need from places of their own.
    """
    whole = list(programs)
    there = {one.elf.soname for one in whole} | set(names)
    users: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for one in whole:
        for library in one.elf.needed:
            if library not in there and not library.startswith((*_LOADERS, *_DRIVER)):
                users[library].setdefault(one.package, one.path)
    return [Missing(library, tuple(sorted(found.items()))) for library, found in sorted(users.items())]


def foreign(programs: Iterable[Program], architecture: str) -> list[Program]:
    """The programs for another machine, from packages that have none for this one."""
    whole = list(programs)
    good = {one.package for one in whole if one.elf.machine == architecture}
    return [one for one in whole if one.package not in good]


def debian_names(library: str) -> list[str]:
    """Possible names of the Debian package with the library: `libstdc++.so.6` comes from `libstdc++6`."""
    stem, _, version = library.partition(".so")
    stem, version = stem.lower().replace("_", "-"), version.strip(".").partition(".")[0]
    dashed = stem + ("-" if stem[-1:].isdigit() and version else "") + version
    joined = re.sub(r"-(?=\d)", "", stem) + ("-" if stem[-1:].isdigit() and version else "") + version
    usual = list(dict.fromkeys([dashed, joined]))
    return [*usual, *(f"{name}t64" for name in usual)]
