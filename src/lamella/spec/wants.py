"""What layers can take: one kind for each source."""

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
        raise wrong(f'"{value}" is not the name of a Debian package such as ca-certificates')
    return value


class NixWant(Value, frozen=True):
    """A Nix store path, or something that builds to store paths, with everything it refers to."""

    short = "path"
    summary = (
        "Nix packages with their closures: a path in `/nix/store`, a link to one such as `./result`, a package of a "
        "flake such as `.#app` or `nixpkgs#git`, or a table with the file of a closure graph."
    )

    path: Annotated[
        str,
        Said(
            "A path in `/nix/store`, or a link to one such as `./result`, relative to this file; or a package of a "
            "flake such as `.#app`, which Nix builds or fetches.",
            kinds.line,
        ),
    ] = ""
    graph: Annotated[
        str,
        Said(
            "A closure graph as `nix path-info --json` or `exportReferencesGraph` writes it, used instead of asking "
            "Nix. Without `path`, everything in it is taken.",
            kinds.line,
        ),
    ] = ""

    def wrongs(self) -> Iterator[Problem]:
        if not self.path and not self.graph:
            yield Problem((), "must have a path or a graph")


class FilesWant(Value, frozen=True):
    """A file or folder on this machine."""

    short = "from"
    summary = 'Files and folders on this machine. `"app"` alone puts the file or folder `app` at `/app`.'

    path: Annotated[
        str,
        Said(
            "The file or folder, relative to this file. With a `/` at the end: what is in the folder, without its "
            "name.",
            kinds.line,
        ),
    ] = msgspec.field(name="from")
    to: Annotated[
        str,
        Said(
            "The place in the image. With a `/` at the end, it is put into that folder and keeps its name; otherwise "
            "this is its new path.",
            kinds.absolute,
        ),
    ] = "/"
    exclude: Annotated[
        Sequence[str],
        Said(
            "Patterns of files to leave out: `*` and `?` match anything but `/`, `**` any folders, `[abc]` one of "
            "these characters. A pattern with a `/` is relative to the folder taken; others match at every depth.",
            kinds.texts(kinds.glob),
        ),
    ] = ()

    def wrongs(self) -> Iterator[Problem]:
        if self.to.endswith("/") and self.path.rstrip("/").rpartition("/")[2] == "..":
            yield Problem(("to",), f'must be a whole path, because "{self.path}" has no name')


class PypiWant(Value, frozen=True):
    """Python packages with their dependencies."""

    short = "requirement"
    summary = (
        'Python packages with their dependencies: requirements such as `"numpy>=2"`, or tables with a file of '
        "requirements. `lamella lock` chooses the versions; `[python]` sets the Python they are for."
    )

    requirement: Annotated[str, Said("A requirement as in pip.", kinds.line)] = ""
    file: Annotated[str, Said("A requirements file, relative to this file.", kinds.line)] = ""
    lock: Annotated[
        str,
        Said(
            "The `uv.lock` of a project, for its dependencies without the project itself and groups; or a "
            "`pylock.toml`, for everything in it.",
            kinds.line,
        ),
    ] = ""

    def wrongs(self) -> Iterator[Problem]:
        if (bool(self.requirement) + bool(self.file) + bool(self.lock)) != 1:
            yield Problem((), "must have exactly one of requirement, file and lock")


class DebWant(Value, frozen=True):
    """A Debian package with its dependencies."""

    short = "name"
    summary = (
        "Debian packages by name, with their dependencies; `essential` stands for all essential packages. "
        "`lamella lock` chooses the versions; `[debian]` sets the archives."
    )

    name: Annotated[str, Said("The package's name.", kinds.text(_check_deb, pattern=f"^{_DEB}$"))]


Want = NixWant | FilesWant | PypiWant | DebWant
SOURCES: dict[str, type[Value]] = {"nix": NixWant, "files": FilesWant, "pypi": PypiWant, "deb": DebWant}
"""The kinds of what can be taken, by their keys."""


def nix(path: str = "", *, graph: str = "") -> NixWant:
    """A Nix store path, a link to one, or a package of a flake; `graph` is a file with the closure graph."""
    return NixWant(path, graph)


def files(path: str, to: str = "/", exclude: Sequence[str] = ()) -> FilesWant:
    """A file or folder: put into the folder `to` if that ends in `/`, otherwise at the path `to`."""
    return FilesWant(path, to, exclude)


def pypi(requirement: str = "", *, file: str = "", lock: str = "") -> PypiWant:
    """A Python package, or those in a requirements file or a project's lock, with their dependencies."""
    return PypiWant(requirement, file, lock)


def deb(name: str) -> DebWant:
    """A Debian package with its dependencies."""
    return DebWant(name)
