"""What can be taken into a layer, each kind of it by its own source."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from lamella.spec import kinds
from lamella.spec.fields import Said, Value
from lamella.spec.problems import Problem, wrong

_DEB = "[a-z0-9][a-z0-9.+-]+"


def _check_deb(value: str) -> str:
    if not re.fullmatch(_DEB, value):
        raise wrong(f'"{value}" is not the name of a Debian package, such as ca-certificates')
    return value


class NixWant(Value, frozen=True):
    """A Nix store path, or what builds to some, and all that it refers to."""

    short = "path"
    summary = (
        "Nix packages, with all that they refer to: a path in `/nix/store`, a link to one such as `./result`, a "
        "package of a flake such as `.#app` or `nixpkgs#git`, or a table that names the file with the closure's graph."
    )

    path: Annotated[
        str,
        Said(
            "A path in `/nix/store`, or a link to one such as `./result`, from the folder of this file; or a package "
            "of a flake, which Nix builds or fetches: `.#app`.",
            kinds.line,
        ),
    ] = ""
    graph: Annotated[
        str,
        Said(
            "A closure graph as `nix path-info --json` or `exportReferencesGraph` writes it; then Nix is not asked. "
            "Without `path`, all that is in it is taken.",
            kinds.line,
        ),
    ] = ""

    def wrongs(self) -> Iterator[Problem]:
        if not self.path and not self.graph:
            yield Problem((), "must name a path or a graph")


class FilesWant(Value, frozen=True):
    """A file or folder of this machine."""

    short = "from"
    summary = 'Files and folders of this machine. `"app"` alone puts the folder or file `app` at `/app`.'

    path: Annotated[
        str,
        Said(
            "The file or folder, from the folder of this file. A folder that ends in `/` means what is in it, "
            "without its own name.",
            kinds.line,
        ),
    ] = msgspec.field(name="from")
    to: Annotated[
        str,
        Said(
            "Where it goes in the image. If it ends in `/`, it is the folder to put it in, under its own name; "
            "else it is the whole new name.",
            kinds.absolute,
        ),
    ] = "/"
    exclude: Annotated[
        Sequence[str],
        Said(
            "Patterns of names that stay out: `*` and `?` stand for anything but `/`, `**` for any folders, `[abc]` "
            "for one of these. A pattern with a `/` starts at the folder taken, any other holds at every depth.",
            kinds.texts(kinds.glob),
        ),
    ] = ()

    def wrongs(self) -> Iterator[Problem]:
        if self.to.endswith("/") and self.path.rstrip("/").rpartition("/")[2] == "..":
            yield Problem(("to",), f'must say a whole name, for "{self.path}" has none')


class PypiWant(Value, frozen=True):
    """Python packages, with all that they require."""

    short = "requirement"
    summary = (
        'Python packages, with all that they require: requirements such as `"numpy>=2"`, or tables that name a file of '
        "them. `lamella lock` decides which files these are; `[python]` says for which Python."
    )

    requirement: Annotated[str, Said("A requirement as pip understands it.", kinds.line)] = ""
    file: Annotated[str, Said("A file of requirements, one on a line; from the folder of this file.", kinds.line)] = ""
    lock: Annotated[
        str,
        Said(
            "The `uv.lock` of a project: what it needs to run, without itself or groups; or all of a `pylock.toml`.",
            kinds.line,
        ),
    ] = ""

    def wrongs(self) -> Iterator[Problem]:
        if (bool(self.requirement) + bool(self.file) + bool(self.lock)) != 1:
            yield Problem((), "must have one of requirement, file and lock")


class DebWant(Value, frozen=True):
    """A Debian package, with all that it depends on."""

    short = "name"
    summary = (
        "Debian packages by name, with all that they depend on; `essential` stands for all that Debian calls that. "
        "`lamella lock` decides which files these are; `[debian]` says where they come from."
    )

    name: Annotated[str, Said("The package's name.", kinds.text(_check_deb, pattern=f"^{_DEB}$"))]


Want = NixWant | FilesWant | PypiWant | DebWant
SOURCES: dict[str, type[Value]] = {"nix": NixWant, "files": FilesWant, "pypi": PypiWant, "deb": DebWant}
"""What can be taken, by the key that takes it."""


def nix(path: str = "", *, graph: str = "") -> NixWant:
    """A Nix store path, a link to one, or a package of a flake; `graph` is a file that tells of references."""
    return NixWant(path, graph)


def files(path: str, to: str = "/", exclude: Sequence[str] = ()) -> FilesWant:
    """A file or folder: put into the folder `to` if that ends in `/`, else under the name `to`."""
    return FilesWant(path, to, exclude)


def pypi(requirement: str = "", *, file: str = "", lock: str = "") -> PypiWant:
    """A Python package, or those that a file of requirements or a project's lock names, with all that they require."""
    return PypiWant(requirement, file, lock)


def deb(name: str) -> DebWant:
    """A Debian package, with all that it depends on."""
    return DebWant(name)
