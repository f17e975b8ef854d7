"""A bucket in memory."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Self

from lamella.cache.bucket import Item, MissingError, StagedItem
from lamella.oci.image import Buffer


class Memory:
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
            raise MissingError(f"{name} does not exist")
        yield data[start:] if count is None else data[start : start + count]

    def stage(self) -> StagedItem:
        return _InMemory(self)

    def move(self, name: str, to: str) -> None:
        with self._lock:
            if name not in self._items:
                raise MissingError(f"{name} does not exist")
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
