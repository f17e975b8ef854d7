"""The outside world: registries, daemons and downloads. Nothing is contacted before it is needed."""

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
        """Return the name for a temporary file, which is removed by `close`."""
        import tempfile

        return Path(self._scratch.enter_context(tempfile.TemporaryDirectory(prefix="lamella-")), "file")

    def nearest(self, content: "Content") -> "Content":
        """Return `content`, with layers from the cache where it has them."""
        from lamella.pipeline.memory.pulled import Nearest

        return Nearest(self.kept, content)

    def opened(self, wanted: "Wanted", url: str, *, from_start: bool = False) -> "Bytes":
        """A file, of which only the parts that are read are downloaded, if it is not here and its server allows it."""
        from lamella.sources.python.zipped import LocalBytes
        from lamella.transport.remote import RemoteFile, WholeOnlyError

        kept = self.downloads.path(wanted.sha256)
        if kept.exists():
            return LocalBytes(kept)
        try:
            return RemoteFile(self.downloads.fetcher, url, from_start=from_start)
        except WholeOnlyError:
            return LocalBytes(self.downloads.fetch_one(wanted, [url]))

    def close(self) -> None:
        """Close connections and remove temporary files."""
        self.registries.close()
        self.downloads.close()
        self._scratch.close()


def password_of(address: str, username: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the user name and password that other programs have stored for an address."""
    from lamella.sources.python.accounts import stored

    return stored(address, username, environment)


def words_of_uv() -> list[str]:
    """Return the command that starts uv, which resolves Python packages."""
    from lamella.sources.python.uv import uv_command

    return uv_command()


def needed(outside: Outside | None, what: str) -> Outside:
    """Return `outside`, which `what` needs; raise an error if there is none."""
    if outside is None:
        raise LamellaError(f"{what} needs the network or a daemon, which cannot be used here")
    return outside
