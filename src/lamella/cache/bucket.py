"""Buckets: named bytes. A folder is one (`folder`), object stores are others (`objects`).

Names are made by us from hashes and checked names, with `/` between parts. Writing is atomic, so several processes may
share a bucket without a lock: who writes last wins, and equal names hold equal meaning. Where that is not so, `create`
and `swap` decide which of several writers is first.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self

from lamella.errors import LamellaError
from lamella.oci.image import Buffer


@dataclass(frozen=True, slots=True)
class Item:
    """What a listing tells of one name."""

    name: str
    size: int
    used: float
    """When it was last written or used, in seconds since the epoch."""


class Bucket(Protocol):
    """What records need: small items."""

    def get(self, name: str) -> bytes | None:
        """The bytes under `name`, or None."""

    def put(self, name: str, data: bytes) -> None:
        """Stores `data` under `name`, whole or not at all."""

    def list(self, prefix: str = "") -> Iterator[Item]:
        """All items whose name starts with `prefix`, sorted by name."""

    def delete(self, name: str) -> None:
        """Removes `name`; it may be gone already."""


class StagedItem(Protocol):
    """Bytes on their way into a bucket, seen by nobody; leaving without `commit` discards them."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def write(self, block: Buffer, /) -> object:
        """Takes the next bytes."""

    def commit(self, name: str) -> None:
        """Makes what was written the item `name`, once."""


class SharedBucket(Bucket, Protocol):
    """What a server's replicas keep all in: large items too, and some that only one of them may write."""

    def create(self, name: str, data: bytes) -> bool:
        """Stores `data` if nothing is under `name`; False if somebody was first."""

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        """Stores `after` if `before` is under `name`; False if not. Such a name is not written by `put`."""

    def find(self, name: str) -> Item | None:
        """What a listing would tell of `name`."""

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        """The `count` bytes from `start`, which is within the item, in blocks; a `MissingError` if it is not there."""

    def stage(self) -> StagedItem:
        """A place for an item whose name may not be known before all of it has passed."""

    def move(self, name: str, to: str) -> None:
        """Gives an item another name."""

    def file(self, name: str) -> Path | None:
        """The file that the item is, where items are files. Nobody may write to it."""

    def signed(self, name: str, valid: timedelta) -> str | None:
        """An address at which anybody can read the item for that long, where there are such."""


class MissingError(LamellaError):
    """An item is not in the bucket, or not any more."""

    exit_code = 5


class Memory:
    """A bucket in memory, for tests and for builds that are to leave no trace."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._items: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()
        self._clock = clock

    def get(self, name: str) -> bytes | None:
        return self._items.get(name, (None, 0.0))[0]

    def put(self, name: str, data: bytes) -> None:
        self._items[name] = bytes(data), self._clock()

    def list(self, prefix: str = "") -> Iterator[Item]:
        for name in sorted(self._items):
            item = self.find(name) if name.startswith(prefix) else None
            if item:
                yield item

    def delete(self, name: str) -> None:
        self._items.pop(name, None)

    def create(self, name: str, data: bytes) -> bool:
        with self._lock:
            if name in self._items:
                return False
            self.put(name, data)
            return True

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        with self._lock:
            if self.get(name) != before:
                return False
            self.put(name, after)
            return True

    def find(self, name: str) -> Item | None:
        found = self._items.get(name)
        return None if found is None else Item(name, len(found[0]), found[1])

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        data = self.get(name)
        if data is None:
            raise MissingError(f"{name} is not there")
        yield data[start:] if count is None else data[start : start + count]

    def stage(self) -> StagedItem:
        return _InMemory(self)

    def move(self, name: str, to: str) -> None:
        with self._lock:
            if name not in self._items:
                raise MissingError(f"{name} is not there")
            self._items[to] = self._items.pop(name)

    def file(self, _name: str) -> Path | None:
        return None

    def signed(self, _name: str, _valid: timedelta) -> str | None:
        return None


class _InMemory:
    def __init__(self, bucket: Memory) -> None:
        self._bucket = bucket
        self._data = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._data.clear()

    def write(self, block: Buffer) -> None:
        self._data += block

    def commit(self, name: str) -> None:
        self._bucket.put(name, bytes(self._data))
