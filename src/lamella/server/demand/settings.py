"""What the settings of the server say of images that are made when they are asked for: from where, and how large."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from lamella.server.demand.origin import Origin, origin_of, written
from lamella.spec import kinds, names
from lamella.spec.debian import Debian
from lamella.spec.fields import Said, Value
from lamella.spec.problems import Problem, wrong
from lamella.spec.python import Python

SHELL = "shell"
ARCHITECTURES = ("amd64", "arm64")
META = (SHELL, *ARCHITECTURES)
"""What stands before the packages in a name, and is none."""

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
        raise wrong(f'"{value}" cannot begin the name of an image; write letters, digits, and . _ - between them')
    if value in META:
        raise wrong(f'"{value}" means something else in the name of an image; choose another')
    return value


class ServedPython(Python, frozen=True, kw_only=True):
    """The Python that packages are for that anybody may ask for: nothing of theirs is run, unless that is said."""

    build: Annotated[
        bool,
        Said(
            "Whether packages that are there as source only are built. Then whoever may `build` here has code of *any* "
            "uploader of the index run, as this server's user. Else versions are chosen that have wheels.",
            kinds.flag,
        ),
    ] = False


class Source(Value, frozen=True, kw_only=True):
    """Where what an image's name asks for comes from."""

    summary = (
        "Where the packages come from that images are asked for by. The first source is meant by a name alone "
        "(`shell/git`), any by its own name before that (`deb/bash/curl`)."
    )

    name: Annotated[
        str,
        Said(
            "What the names of images begin with: `deb`, `py3.12`.", kinds.text(_check_prefix, pattern=f"^{_PREFIX}$")
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
            "Where Nix packages or specs are: a folder, or the address of a git repository, of which tags of images "
            "are branches, tags and commits. For Nix packages also a channel (`nixos-24.11`) or a commit of nixpkgs, "
            "and any flake (`github:OWNER/NAME`). Whoever can write there decides what this server runs.",
            written,
        ),
    ] = msgspec.field(name="from", default="")
    debian: Annotated[Debian, Said(Debian.summary, table=Debian)] = Debian()
    python: Annotated[ServedPython | None, Said(ServedPython.summary, table=ServedPython)] = None
    base: Annotated[
        str,
        Said(
            "An image with that Python, to build on: `docker://HOST/python:3.12-slim`. Without it, Python is Debian's.",
            names.base,
        ),
    ] = ""
    platforms: Annotated[
        Sequence[str],
        Said(
            "The platforms that images are for, unless a name says `amd64` or `arm64`; else, for `nix`, that of this "
            "machine, for `deb` and `pypi` both `linux/amd64` and `linux/arm64`, and for `specs` what they say.",
            names.platforms,
        ),
    ] = ()

    @property
    def where(self) -> Origin | None:
        """What `from` is."""
        return origin_of(self.origin)

    def wrongs(self) -> Iterator[Problem]:
        given = {"from": self.origin, "python": self.python, "base": self.base, "debian": self.debian != Debian()}
        meant = _MEANT[self.kind]
        for key in [key for key, value in given.items() if value and key not in meant]:
            yield Problem((key,), f"means nothing for {self.kind}")
        needed = _NEEDED.get(self.kind)
        if needed and not given[needed]:
            yield Problem((), f'is of the kind {self.kind} and needs the key "{needed}"')
        if self.kind == SPECS and self.where in ("channel", "flake"):
            yield Problem(("from",), "must be a folder (from / on) or the address of a git repository")
        yield from self._relative()
        if self.kind == SPECS and self.platforms:
            yield Problem(("platforms",), "means nothing for specs, which say it themselves")

    def _relative(self) -> Iterator[Problem]:
        """Files that are named from a folder: there is none that they could be meant from."""
        keyring = self.debian.keyring
        if keyring and not keyring.startswith("/"):
            yield Problem(("debian", "keyring"), f'"{keyring}" must be absolute: start it with /')
        for i, file in enumerate(self.python.constraints if self.python else ()):
            if not file.startswith("/"):
                yield Problem(("python", "constraints", i), f'"{file}" must be absolute: start it with /')


class Limits(Value, frozen=True, kw_only=True):
    """What may go into an image that is made when it is asked for."""

    summary = "What an image that is made when it is asked for may take."

    packages: Annotated[int, Said("How many packages a name may have.", kinds.whole(1, 1000))] = 100
    layers: Annotated[int, Said("How many layers an image may have.", kinds.whole(3, 127))] = 94
    bytes: Annotated[int, Said('How large an image may be before compression: `"20 GB"`.', kinds.size)] = 20 * 10**9
    seconds: Annotated[int, Said("How long a build may take.", kinds.whole(1, 7 * 86400))] = 3600
