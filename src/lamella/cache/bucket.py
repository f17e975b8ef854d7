"""Buckets: named bytes. A folder is one; object stores are others.

Names are made by us from hashes and checked names, with `/` between parts. Writing is atomic, so several processes may
share a bucket without a lock: who writes last wins, and equal names hold equal meaning.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lamella import staging
from lamella.staging import explained

_NO_ITEMS = (staging.STAGING, "roots")
"""Folders beside the items: what is being written, and layers that were unpacked."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a listing tells of one name."""

    name: str
    size: int
    used: float
    """When it was last written or used, in seconds since the epoch."""


class Bucket(Protocol):
    def get(self, name: str) -> bytes | None:
        """The bytes under `name`, or None."""

    def put(self, name: str, data: bytes) -> None:
        """Stores `data` under `name`, whole or not at all."""

    def list(self, prefix: str = "") -> Iterator[Item]:
        """All items whose name starts with `prefix`, sorted by name."""

    def delete(self, name: str) -> None:
        """Removes `name`; it may be gone already."""


class Folder:
    """A bucket in a local folder, made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, name: str) -> bytes | None:
        path = self.root / name
        with explained(path, "cannot read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, name: str, data: bytes) -> None:
        staging.write_whole(self.root, name, data)

    def list(self, prefix: str = "") -> Iterator[Item]:
        for folder, folders, files in os.walk(self.root):
            folders.sort()
            if Path(folder) == self.root:
                folders[:] = [name for name in folders if name not in _NO_ITEMS]
            for file in sorted(files):
                path = Path(folder, file)
                name = path.relative_to(self.root).as_posix()
                if name.startswith(prefix):
                    with contextlib.suppress(FileNotFoundError):  # somebody else has removed it
                        stat = path.stat()
                        yield Item(name, stat.st_size, stat.st_mtime)

    def delete(self, name: str) -> None:
        path = self.root / name
        with explained(path, "cannot remove"):
            path.unlink(missing_ok=True)


class Memory:
    """A bucket in memory, for tests and for builds that are to leave no trace."""

    def __init__(self) -> None:
        self._items: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        return self._items.get(name)

    def put(self, name: str, data: bytes) -> None:
        self._items[name] = bytes(data)

    def list(self, prefix: str = "") -> Iterator[Item]:
        for name in sorted(self._items):
            if name.startswith(prefix):
                yield Item(name, len(self._items[name]), 0.0)

    def delete(self, name: str) -> None:
        self._items.pop(name, None)
