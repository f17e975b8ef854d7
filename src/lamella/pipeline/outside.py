"""What is beyond the files that a user names: registries and daemons. Nothing is asked before it is needed."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.cache.blobs import Blobs
    from lamella.destinations.daemons import Daemons
    from lamella.images.content import Content
    from lamella.registry.registries import Registries
    from lamella.sources.python.zipped import Bytes
    from lamella.transport.downloads import Downloads, Wanted


@dataclass(frozen=True)
class Outside:
    registries: "Registries"
    daemons: "Daemons"
    kept: "Blobs"
    """Layers that were pulled before."""
    downloads: "Downloads"
    _scratch: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def file(self) -> Path:
        """A name for a file that is gone when all is done."""
        import tempfile

        return Path(self._scratch.enter_context(tempfile.TemporaryDirectory(prefix="lamella-")), "file")

    def nearest(self, content: "Content") -> "Content":
        """`content`, but for what is kept."""
        from lamella.pipeline.memory.pulled import Nearest

        return Nearest(self.kept, content)

    def opened(self, wanted: "Wanted", url: str, *, from_start: bool = False) -> "Bytes":
        """A file, of which only the parts that are read are downloaded, if it is not here and its server allows it."""
        from lamella.sources.python.zipped import LocalBytes
        from lamella.transport.remote import RemoteBytes, WholeOnlyError

        kept = self.downloads.path(wanted.sha256)
        if kept.exists():
            return LocalBytes(kept)
        try:
            return RemoteBytes(self.downloads.fetcher, url, from_start=from_start)
        except WholeOnlyError:
            return LocalBytes(self.downloads.fetch_one(wanted, [url]))

    def close(self) -> None:
        """Ends connections, and removes files that were meant to go."""
        self.registries.close()
        self.downloads.close()
        self._scratch.close()


def password_of(address: str, username: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The name and password for an address, of other programs that keep such."""
    from lamella.sources.python.accounts import stored

    return stored(address, username, environment)


def words_of_uv() -> list[str]:
    """How uv is called, which chooses Python packages."""
    from lamella.sources.python.uv import uv_command

    return uv_command()


def needed(outside: Outside | None, what: str) -> Outside:
    """`outside`, where `what` is; an error if nothing there can be asked."""
    if outside is None:
        raise LamellaError(f"{what} is in a registry or a daemon, and none can be asked here")
    return outside
