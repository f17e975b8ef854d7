"""The Python of an image: which one its packages are for, and where they lie."""

import re
from collections.abc import Sequence
from typing import Annotated

from lamella.spec import dates, kinds
from lamella.spec.fields import Said, Value
from lamella.spec.problems import near_miss, wrong

LIBCS = ("manylinux_2_17", "manylinux_2_28", *(f"manylinux_2_{minor}" for minor in range(31, 41)), "musl")
"""What the image's C library lets run, by the names of wheels' tags."""


def _check_version(value: str) -> str:
    if not re.fullmatch(r"3\.\d{1,2}", value):
        raise wrong(f'"{value}" is not a version of Python such as "3.12"')
    return value


def _check_libc(value: str) -> str:
    if value not in LIBCS:
        raise wrong(f'"{value}" is not one of {", ".join(LIBCS)}{near_miss(value, LIBCS)}')
    return value


class Python(Value, frozen=True, kw_only=True):
    """The Python that packages are for. It comes into the image in another way: with a base, from Nix or Debian."""

    summary = "The Python that the packages of `pypi` are for; how it comes into the image is said elsewhere."

    version: Annotated[str, Said('Its version: `"3.12"`.', kinds.text(_check_version, pattern=r"^3\.\d{1,2}$"))]
    prefix: Annotated[str, Said("Where `bin`, `share` and the like of packages go.", kinds.absolute)] = "/usr/local"
    packages: Annotated[
        str,
        Said("The folder that it imports packages from; `PREFIX/lib/pythonVERSION/site-packages`.", kinds.absolute),
    ] = ""
    interpreter: Annotated[
        str, Said("The program that scripts of packages start with; `PREFIX/bin/pythonVERSION`.", kinds.absolute)
    ] = ""
    libc: Annotated[
        str,
        Said(
            "The newest kind of wheel that the image's C library lets run: manylinux_2_36 with glibc 2.36, or musl.",
            kinds.text(_check_libc, enum=list(LIBCS)),
        ),
    ] = "manylinux_2_28"
    exclude_newer: Annotated[str, Said("A date; what was uploaded later is not looked at when locking.", dates.day)] = (
        ""
    )
    constraints: Annotated[
        Sequence[str],
        Said("Files of constraints, as pip has them, from the folder of this file.", kinds.texts(kinds.line)),
    ] = ()
    bytecode: Annotated[
        bool,
        Said(
            "Whether modules are compiled beforehand, which makes the first start faster and the image larger. The "
            "lock says by which version of Python, which then has to be on machines that build.",
            kinds.flag,
        ),
    ] = False
    build: Annotated[
        bool,
        Said(
            "Whether packages that are there as source only are built, when they are locked and when an image is made. "
            "That runs their code, as whoever does it. Where it is `false`, versions are chosen that have wheels.",
            kinds.flag,
        ),
    ] = True
    shared: Annotated[
        Sequence[str],
        Said(
            "Patterns of files, from the folder of packages, that several packages may have; the last one by name "
            "gives them. A pattern without a `/` holds at every depth.",
            kinds.texts(kinds.glob),
        ),
    ] = ()
