"""The settings for images that are made when they are pulled: where packages come from, and the limits."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from lamella.server.demand.origin import OriginKind, origin_of, written
from lamella.spec import kinds, names
from lamella.spec.debian import Debian
from lamella.spec.fields import Said, Value
from lamella.spec.problems import Problem, wrong
from lamella.spec.python import Python

SHELL = "shell"
ARCHITECTURES = ("amd64", "arm64")
META = (SHELL, *ARCHITECTURES)
"""Words that come before the packages in a name, and are not packages."""

NIX, DEB, PYPI, SPECS = "nix", "deb", "pypi", "specs"
_MEANT = {
    NIX: {"from"},
    DEB: {"debian"},
    PYPI: {"python", "base", "debian"},
    SPECS: {"from"},
}
"""The keys that mean something for each kind."""

_NEEDED = {NIX: "from", PYPI: "python", SPECS: "from"}
_PREFIX = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"


def _check_prefix(value: str) -> str:
    if not re.fullmatch(_PREFIX, value):
        raise wrong(
            f'"{value}" cannot begin the name of an image; use lower-case letters and digits, with single . _ or - '
            "between them"
        )
    if value in META:
        raise wrong(f'"{value}" has another meaning in the names of images; choose a different name')
    return value


class ServedPython(Python, frozen=True, kw_only=True):
    """The Python for packages that anybody may request: none of their code runs, unless the settings allow it."""

    build: Annotated[
        bool,
        Said(
            "Whether to build packages that exist only as source. If so, everybody who may `build` here can run code "
            "of *any* uploader to the index, as this server's user. If not, versions that have wheels are chosen.",
            kinds.flag,
        ),
    ] = False


class Source(Value, frozen=True, kw_only=True):
    """Where the packages in an image's name come from."""

    summary = (
        "Where the packages that images are named by come from. A name without a prefix (`shell/git`) belongs to the "
        "first source; any source can be chosen by its name as prefix (`deb/bash/curl`)."
    )

    name: Annotated[
        str,
        Said(
            "What the names of its images start with: `deb`, `py3.12`.",
            kinds.text(_check_prefix, pattern=f"^{_PREFIX}$"),
        ),
    ]
    kind: Annotated[
        Literal["nix", "deb", "pypi", "specs"],
        Said(
            "`nix`: a set of Nix packages; `deb`: archives of Debian packages; `pypi`: Python packages; `specs`: "
            "a folder of `NAME/lamella.toml` or `NAME.toml`, each an image of its own.",
            kinds.choice(NIX, DEB, PYPI, SPECS),
        ),
    ]
    origin: Annotated[
        str,
        Said(
            "Where Nix packages or specs are: a folder, or the address of a git repository, whose branches, tags and "
            "commits are then the tags of images. For Nix packages also a channel (`nixos-24.11`), a commit of "
            "nixpkgs, or any flake (`github:OWNER/NAME`). Everybody who can write there decides what this server runs.",
            written,
        ),
    ] = msgspec.field(name="from", default="")
    debian: Annotated[Debian, Said(Debian.summary, table=Debian)] = Debian()
    python: Annotated[ServedPython | None, Said(ServedPython.summary, table=ServedPython)] = None
    base: Annotated[
        str,
        Said(
            "An image with that Python to build on: `docker://HOST/python:3.12-slim`. If not set, Python is Debian's.",
            names.base,
        ),
    ] = ""
    platforms: Annotated[
        Sequence[str],
        Said(
            "The platforms of images, unless a name says `amd64` or `arm64`. If not set: for `nix`, this machine's; "
            "for `deb` and `pypi`, `linux/amd64` and `linux/arm64`; for `specs`, the platforms in each spec.",
            names.platforms,
        ),
    ] = ()

    @property
    def where(self) -> OriginKind | None:
        """What `from` is."""
        return origin_of(self.origin)

    def wrongs(self) -> Iterator[Problem]:
        given = {"from": self.origin, "python": self.python, "base": self.base, "debian": self.debian != Debian()}
        meant = _MEANT[self.kind]
        for key in [key for key, value in given.items() if value and key not in meant]:
            yield Problem((key,), f"has no meaning for {self.kind}")
        needed = _NEEDED.get(self.kind)
        if needed and not given[needed]:
            yield Problem((), f'a source of kind {self.kind} needs the key "{needed}"')
        if self.kind == SPECS and self.where in ("channel", "flake"):
            yield Problem(("from",), "must be an absolute folder or the address of a git repository")
        yield from self._relative()
        if self.kind == SPECS and self.platforms:
            yield Problem(("platforms",), "has no meaning for specs, which set their platforms themselves")

    def _relative(self) -> Iterator[Problem]:
        """Yield the relative paths, as there is no folder that they could start from."""
        keyring = self.debian.keyring
        if keyring and not keyring.startswith("/"):
            yield Problem(("debian", "keyring"), f'"{keyring}" must be absolute: start it with /')
        for i, file in enumerate(self.python.constraints if self.python else ()):
            if not file.startswith("/"):
                yield Problem(("python", "constraints", i), f'"{file}" must be absolute: start it with /')


class BuildLimits(Value, frozen=True, kw_only=True):
    """Limits for an image that is made when it is pulled."""

    summary = "Limits for images that are made when they are pulled."

    packages: Annotated[int, Said("How many packages a name may contain.", kinds.whole(1, 1000))] = 100
    layers: Annotated[int, Said("How many layers an image may have.", kinds.whole(3, 127))] = 94
    bytes: Annotated[int, Said('How large an image may be before compression: `"20 GB"`.', kinds.size)] = 20 * 10**9
    seconds: Annotated[int, Said("How many seconds a build may take.", kinds.whole(1, 7 * 86400))] = 3600
