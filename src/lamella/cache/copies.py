"""Copies on this machine's disk of what is often read from a remote bucket, up to a size.

Only items that are named by the hash of their bytes are copied, while the first reader reads a whole one; a copy
becomes visible when its bytes match its name. The least recently read copies are removed first.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from lamella.cache.bucket import Item, SharedBucket, StagedItem
from lamella.cache.folder import Folder
from lamella.oci.image import Buffer
from lamella.staging import StorageError, staged, write_all

_NAMED_BY_HASH = "layers/"
_SHA256 = 64
_LARGEST_SHARE = 4
"""An item of more than a quarter of the room is not copied: it would displace everything else."""


class Copies:
    """A bucket, with copies in `folder` of at most `room` bytes together."""

    def __init__(self, bucket: SharedBucket, folder: Path, room: int) -> None:
        self._bucket = bucket
        self._folder = Folder(folder)
        self._room = room
        self._lock = threading.Lock()
        self._held = sum(item.size for item in self._folder.list())

    def file(self, name: str) -> Path | None:
        path = self._bucket.file(name)
        if path is not None or not _is_copied(name):
            return path
        copy = self._folder.root / name
        try:
            os.utime(copy)
        except OSError:
            return None
        return copy

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        if start or not _is_copied(name):
            return self._bucket.read(name, start, count)
        return self._copied(name, count)

    def _copied(self, name: str, count: int | None) -> Iterator[Buffer]:
        """Yield the item's bytes; if these are all of them, there is a copy here afterwards."""
        hashed, size = hashlib.sha256(), 0
        with contextlib.ExitStack() as stack:
            file = None
            if count is None or count <= self._room // _LARGEST_SHARE:
                with contextlib.suppress(OSError, StorageError):
                    path, file = stack.enter_context(staged(self._folder.root))
            for block in self._bucket.read(name, 0, count):
                if file:
                    hashed.update(block)
                    size += len(block)
                    try:
                        write_all(file, block)
                    except OSError:  # a disk that is full is no reason not to serve
                        file = None
                yield block
            if file and hashed.hexdigest() == name.removeprefix(_NAMED_BY_HASH):
                self._keep(path, name, size)

    def _keep(self, path: Path, name: str, size: int) -> None:
        target = self._folder.root / name
        with self._lock, contextlib.suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                self._held += size
            path.rename(target)
            if self._held > self._room:
                self._make_room()

    def _make_room(self) -> None:
        items = sorted(self._folder.list(), key=lambda item: (item.used, item.name))
        self._held = sum(item.size for item in items)
        for item in items:
            if self._held <= self._room:
                return
            self._folder.delete(item.name)
            self._held -= item.size

    def delete(self, name: str) -> None:
        self._bucket.delete(name)
        self._folder.delete(name)

    def get(self, name: str) -> bytes | None:
        return self._bucket.get(name)

    def put(self, name: str, data: bytes) -> None:
        self._bucket.put(name, data)

    def list(self, prefix: str = "") -> Iterator[Item]:
        return self._bucket.list(prefix)

    def create(self, name: str, data: bytes) -> bool:
        return self._bucket.create(name, data)

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        return self._bucket.swap(name, before, after)

    def find(self, name: str) -> Item | None:
        return self._bucket.find(name)

    def stage(self) -> StagedItem:
        return self._bucket.stage()

    def move(self, name: str, to: str) -> None:
        self._bucket.move(name, to)

    def signed(self, name: str, valid: timedelta) -> str | None:
        return self._bucket.signed(name, valid)


def _is_copied(name: str) -> bool:
    return name.startswith(_NAMED_BY_HASH) and len(name) == len(_NAMED_BY_HASH) + _SHA256
