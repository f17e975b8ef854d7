"""What fetchers in Nix files fetch, and where their hashes belong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lamella.hashes.syntax import Scope, Value, scopes

_HASHES = ("hash", "sha256")
_FAKE = re.compile(r"(lib\.)?fake(Hash|Sha256)|(sha256[:-])?[0A]{43,64}=?")
FETCHERS = ("fetchPypi", "fetchurl", "fetchzip", "fetchFromGitHub", "fetchFromGitLab", "fetchgit")
_USUAL = {
    **dict.fromkeys(("fetchLFS", "leaveDotGit", "deepClone"), "false"),
    "stripRoot": "true",
    "postFetch": "",
    "rootDir": "",
    "sparseCheckout": None,
}
"""Arguments that change what is hashed in unsupported ways, and the values with which they do not."""


@dataclass(frozen=True)
class Place:
    """The place of a hash in a text, and its line."""

    start: int
    end: int
    line: int


@dataclass(frozen=True)
class Python:
    """A file in an index: an sdist, or the wheel with these tags."""

    name: str
    version: str
    file: str
    python: str = ""

    def __str__(self) -> str:
        return self.file


@dataclass(frozen=True)
class File:
    """A file at an address, or the contents of an archive there."""

    url: str
    unpacked: bool = False

    def __str__(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Tree:
    """The files of a git repository at a revision. `exported` means as in a forge's archives, by `export-ignore`."""

    url: str
    revision: str
    submodules: bool
    exported: bool

    def __str__(self) -> str:
        return f"{self.url.removesuffix('.git').rpartition('/')[2]} at {self.revision}"


Wanted = Python | File | Tree


@dataclass(frozen=True)
class Missing:
    """A missing hash, with what it is of, or why that is unknown."""

    place: Place
    fetcher: str
    wanted: Wanted | None
    problem: str = ""


def missing(text: str) -> list[Missing]:
    """The hashes that are empty or fake, in the order of the text."""
    return [
        _told(scope, value, text)
        for scope in scopes(text)
        if scope.called.rpartition(".")[2] in FETCHERS
        for name, value in scope.bindings.items()
        if name in _HASHES and is_fake("".join(token.text for token in value.tokens))
    ]


def is_fake(text: str) -> bool:
    """Whether a hash is empty or a placeholder."""
    bare = text.strip('"').strip("'").removeprefix("pkgs.")
    return not bare or _FAKE.fullmatch(bare) is not None


def _told(scope: Scope, value: Value, text: str) -> Missing:
    place = Place(value.start, value.end, text.count("\n", 0, value.start) + 1)
    fetcher = scope.called.rpartition(".")[2]
    lost = [name for name in _needed(fetcher, scope) if scope.text(name) is None]
    if lost:
        return Missing(place, fetcher, None, f"{' and '.join(lost)} cannot be determined from the file")
    changed = [name for name in _USUAL if name in scope.bindings or name in scope.inherited]
    odd = [name for name in changed if scope.text(name) is None or scope.text(name) != _USUAL[name]]
    if odd:
        return Missing(place, fetcher, None, f"{' and '.join(odd)} is not supported; let Nix determine the hash")
    return Missing(place, fetcher, _wanted(fetcher, scope))


def _needed(fetcher: str, scope: Scope) -> Iterator[str]:
    names = {
        "fetchPypi": ("pname", "version"),
        "fetchurl": ("url",),
        "fetchzip": ("url",),
        "fetchgit": ("url",),
    }
    yield from names.get(fetcher, ("owner", "repo"))
    if fetcher not in names or fetcher == "fetchgit":
        yield "tag" if "tag" in scope.bindings or "tag" in scope.inherited else "rev"


def _wanted(fetcher: str, scope: Scope) -> Wanted:
    def said(name: str, usual: str = "") -> str:
        return scope.text(name) or usual

    if fetcher == "fetchPypi":
        return _python(said("pname"), said("version"), scope)
    if fetcher in ("fetchurl", "fetchzip"):
        return File(said("url"), unpacked=fetcher == "fetchzip")
    revision = said("rev") or f"refs/tags/{said('tag')}"
    if fetcher == "fetchgit":
        return Tree(said("url"), revision, submodules=said("fetchSubmodules", "true") == "true", exported=False)
    host = said("githubBase", "github.com") if fetcher == "fetchFromGitHub" else said("domain", "gitlab.com")
    owner = f"{said('group')}/{said('owner')}" if said("group") else said("owner")
    cloned = any(said(name) == "true" for name in ("fetchSubmodules", "leaveDotGit", "deepClone", "forceFetchGit"))
    return Tree(
        f"https://{host}/{owner}/{said('repo')}.git",
        revision,
        submodules=said("fetchSubmodules") == "true",
        exported=not cloned,
    )


def _python(name: str, version: str, scope: Scope) -> Python:
    """The file with the name that nixpkgs derives from these arguments."""

    def said(key: str, usual: str) -> str:
        return scope.text(key) or usual

    if said("format", "setuptools") != "wheel":
        return Python(name, version, f"{name}-{version}.{said('extension', 'tar.gz')}")
    python = said("python", "py2.py3")
    file = f"{name}-{version}-{python}-{said('abi', 'none')}-{said('platform', 'any')}.whl"
    return Python(name, version, file, python)
