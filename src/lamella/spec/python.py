"""The Python that packages are for, and where they go."""

import re
from collections.abc import Sequence
from typing import Annotated

from lamella.spec import dates, kinds
from lamella.spec.fields import Said, Value
from lamella.spec.problems import near_miss, wrong

LIBCS = ("manylinux_2_17", "manylinux_2_28", *(f"manylinux_2_{minor}" for minor in range(31, 41)), "musl")
"""What the image's C library can run, in the words of wheel tags."""


def _check_version(value: str) -> str:
    if not re.fullmatch(r"3\.\d{1,2}", value):
        raise wrong(f'"{value}" is not a version of Python such as "3.12"')
    return value


def _check_libc(value: str) -> str:
    if value not in LIBCS:
        raise wrong(f'"{value}" is not one of {", ".join(LIBCS)}{near_miss(value, LIBCS)}')
    return value


class Python(Value, frozen=True, kw_only=True):
    """The Python that packages are for. Python itself comes from elsewhere: a base image, Nix or Debian."""

    summary = (
        "The Python that `pypi` packages are for. Python itself comes from elsewhere: a base image, Nix or Debian."
    )

    version: Annotated[str, Said('The version, such as `"3.12"`.', kinds.text(_check_version, pattern=r"^3\.\d{1,2}$"))]
    prefix: Annotated[str, Said("The folder for `bin`, `share` and so on of packages.", kinds.absolute)] = "/usr/local"
    packages: Annotated[
        str,
        Said("The folder for packages. The default is `PREFIX/lib/pythonVERSION/site-packages`.", kinds.absolute),
    ] = ""
    interpreter: Annotated[
        str, Said("The Python that scripts start with. The default is `PREFIX/bin/pythonVERSION`.", kinds.absolute)
    ] = ""
    libc: Annotated[
        str,
        Said(
            "The newest wheels that the image's C library can run: `manylinux_2_36` for glibc 2.36, or `musl`.",
            kinds.text(_check_libc, enum=list(LIBCS)),
        ),
    ] = "manylinux_2_28"
    exclude_newer: Annotated[str, Said("A date; locking ignores what was uploaded later.", dates.day)] = ""
    constraints: Annotated[
        Sequence[str],
        Said("Constraints files as in pip, relative to this file.", kinds.texts(kinds.line)),
    ] = ()
    bytecode: Annotated[
        bool,
        Said(
            "Compile modules in advance, which makes the first start faster and the image larger. Every machine that "
            "builds needs the exact version of Python that the lock names.",
            kinds.flag,
        ),
    ] = False
    build: Annotated[
        bool,
        Said(
            "Build packages that have no wheel, when locking and when building images. This runs their code with your "
            "rights. If `false`, only versions with wheels are chosen.",
            kinds.flag,
        ),
    ] = True
    shared: Annotated[
        Sequence[str],
        Said(
            "Patterns of files, relative to the folder of packages, that several packages may contain; the last "
            "package by name provides them. A pattern without a `/` matches at every depth.",
            kinds.texts(kinds.glob),
        ),
    ] = ()
