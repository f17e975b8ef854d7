"""Packages as in a lock: enough to find them again and to derive everything else, without hosts."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9+._-]*\Z")]
Version = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+.:~!_-]+\Z")]
Exact = Annotated[str, msgspec.Meta(pattern=r"^(\d+\.\d+\.\d+)?\Z")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")]
Commit = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{40,64})?\Z")]
File = Annotated[str, msgspec.Meta(pattern=r"^[^/\x00-\x1f\\]+\Z")]
InArchive = Annotated[str, msgspec.Meta(pattern=r"^(?!.*\.\./)[^/\x00-\x1f\\][^\x00-\x1f\\]*\Z")]
Place = Annotated[str, msgspec.Meta(pattern=r"^/(?!.*(^|/)\.\.(/|\Z))[^\x00]*\Z")]
StorePath = Annotated[str, msgspec.Meta(pattern=r"^/(?!.*(^|/)\.\.?(/|\Z))[^\x00-\x1f]*\Z")]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=1 << 50)]
"""What a lock may contain; names become parts of paths."""


class LockedPath(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Nix store path. `nar_hash` is in base 16, and empty only for graphs without it."""

    path: StorePath
    nar_hash: Sha256 = ""
    size: Bytes
    references: tuple[StorePath, ...] = ()

    @property
    def name(self) -> str:
        """Its name among other paths."""
        return self.path

    @property
    def is_known(self) -> bool:
        """Whether it can be told from others."""
        return bool(self.nar_hash)


class LockedWheel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Python package. `references` are names of others; `without` are places that others fill.

    `unpacked` is the size of its files. A package without a wheel is built from `file`, or from the `commit` of its
    repository.
    """

    name: Name
    version: Version
    file: File
    sha256: Sha256 = ""
    size: Bytes = 0
    unpacked: Bytes = 0
    references: tuple[Name, ...] = ()
    without: tuple[str, ...] = ()
    commit: Commit = ""
    licence: str = ""

    @property
    def id(self) -> str:
        """What it is called among other packages."""
        return f"{self.name}-{self.version}"

    @property
    def is_known(self) -> bool:
        """Whether it can be told from others."""
        return bool(self.sha256 or self.commit)


class LockedDeb(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Debian package. `file` is its path in the archive; `links` are those of alternatives."""

    name: Name
    version: Version
    architecture: Name
    file: InArchive
    sha256: Sha256
    size: Bytes
    unpacked: Bytes
    references: tuple[Name, ...] = ()
    links: tuple[tuple[Place, str], ...] = ()

    @property
    def id(self) -> str:
        """What it is called among other packages."""
        return f"{self.name}_{self.version}_{self.architecture}"

    @property
    def is_known(self) -> bool:
        """Whether it can be told from others."""
        return bool(self.sha256)
