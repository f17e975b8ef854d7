"""Packages as a lock has them: enough to find them again and to know all that depends on them, and no hosts."""

import msgspec


class LockedWheel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A package as the lock has it. `references` are names of others; `without` are places that others fill.

    `unpacked` is how many bytes its files have. A package that is there as source only is built from `file`, or from
    the `commit` of its repository.
    """

    name: str
    version: str
    file: str
    sha256: str = ""
    size: int = 0
    unpacked: int = 0
    references: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    commit: str = ""
    licence: str = ""

    @property
    def id(self) -> str:
        """What it is called among other packages."""
        return f"{self.name}-{self.version}"


class LockedDeb(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Debian package as the lock has it. `file` is its path in the archive; `links` are those of alternatives."""

    name: str
    version: str
    architecture: str
    file: str
    sha256: str
    size: int
    unpacked: int
    references: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """What it is called among other packages."""
        return f"{self.name}_{self.version}_{self.architecture}"
