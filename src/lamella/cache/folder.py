"""A bucket in a local folder, which any number of processes can share."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from lamella import staging
from lamella.cache.bucket import Item, MissingError, StagedItem
from lamella.oci.image import Buffer
from lamella.staging import StagedFile, StorageError, explained, leads_out, staged, write_all

_NO_ITEMS = (staging.STAGING, "roots")
"""Folders next to the items: what is being written, and unpacked layers."""
_LOCK = ".lock"
_BLOCK = 1 << 20


def inside(root: Path, name: str) -> Path:
    """Where the item `name` lies in `root`; names come from documents that anybody may have written."""
    if leads_out(name):
        raise StorageError(f"{root}: no item can have the name {name[:200]!r}, which leads out of it")
    return root / name


class Folder:
    """A bucket in a local folder, created when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, name: str) -> bytes | None:
        path = self._at(name)
        with explained(path, "cannot read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, name: str, data: bytes) -> None:
        inside(self.root, name)
        staging.write_whole(self.root, name, data)

    def list(self, prefix: str = "") -> Iterator[Item]:
        for folder, folders, files in os.walk(self._at(prefix.rpartition("/")[0])):
            folders.sort()
            if Path(folder) == self.root:
                folders[:] = [name for name in folders if name not in _NO_ITEMS]
                files = [name for name in files if name != _LOCK]
            for file in sorted(files):
                name = Path(folder, file).relative_to(self.root).as_posix()
                item = self.find(name) if name.startswith(prefix) else None
                if item:
                    yield item

    def delete(self, name: str) -> None:
        path = self._at(name)
        with explained(path, "cannot remove"):
            path.unlink(missing_ok=True)

    def create(self, name: str, data: bytes) -> bool:
        target = self._at(name)
        with explained(target, "cannot write"), staged(self.root) as (path, file):
            write_all(file, data)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.hardlink_to(path)
            except FileExistsError:
                return False
        return True

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        with self._locked():
            if self.get(name) != before:
                return False
            self.put(name, after)
        return True

    def find(self, name: str) -> Item | None:
        path = self._at(name)
        with explained(path, "cannot look for"):
            try:
                found = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Item(name, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        path = self._at(name)
        with explained(path, "cannot read"), contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(path.open("rb", buffering=0))
            except FileNotFoundError as error:
                raise MissingError(f"{path} does not exist") from error
            file.seek(start)
            left = count
            while block := file.read(_BLOCK if left is None else min(left, _BLOCK)):
                left = None if left is None else left - len(block)
                yield block

    def stage(self) -> StagedItem:
        return _NewItem(self.root)

    def move(self, name: str, to: str) -> None:
        target = self._at(to)
        with explained(target, "cannot write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._at(name).rename(target)
            except FileNotFoundError as error:
                raise MissingError(f"{self._at(name)} does not exist") from error

    def file(self, name: str) -> Path | None:
        return self._at(name)

    def signed(self, _name: str, _valid: timedelta) -> str | None:
        return None

    def _at(self, name: str) -> Path:
        return inside(self.root, name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with explained(self.root, "cannot lock"):
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


class _NewItem(StagedFile):
    """An item on its way in."""

    def commit(self, name: str) -> None:
        """Make what was written the item `name`."""
        self.move_to(inside(self._root, name))
