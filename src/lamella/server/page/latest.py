"""The newest items of a bucket. Each is read only once, as long as it does not change."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from heapq import nlargest
from typing import Generic, TypeVar

from lamella.cache.bucket import Item, SharedBucket
from lamella.server.hot import Hot

T = TypeVar("T")

_REMEMBERED = 64 << 20
"""How many bytes of items are remembered, as they are in the bucket."""
_LEAST = 500
_FOREVER = float("inf")
_AT_ONCE = 16


class Latest(Generic[T]):
    """Items as `read` decodes them; those for which it returns None are skipped. Safe to use from any thread."""

    def __init__(self, bucket: SharedBucket, read: Callable[[bytes], T | None]) -> None:
        self._bucket = bucket
        self._read = read
        self._known: Hot[Item, tuple[T, int]] = Hot(_REMEMBERED, _FOREVER, lambda known: _LEAST + known[1])
        self._lock = threading.Lock()

    def under(self, prefix: str, most: int) -> list[tuple[Item, T]]:
        """Return the newest `most` items whose names start with `prefix`, newest first."""
        items = nlargest(most, self._bucket.list(prefix), key=lambda item: (item.used, item.name))
        known = {item: self._remembered(item) for item in items}
        unknown = [item for item in items if known[item] is None]
        if unknown:
            with ThreadPoolExecutor(min(_AT_ONCE, len(unknown))) as pool:
                known |= zip(unknown, pool.map(self._fetch, unknown), strict=True)
        return [(item, value) for item, value in known.items() if value is not None]

    def one(self, name: str) -> tuple[Item, T] | None:
        """Return the item `name`."""
        item = self._bucket.find(name)
        if item is None:
            return None
        value = self._remembered(item)
        value = self._fetch(item) if value is None else value
        return None if value is None else (item, value)

    def _remembered(self, item: Item) -> T | None:
        with self._lock:
            known = self._known.get(item)
        return known[0] if known else None

    def _fetch(self, item: Item) -> T | None:
        data = self._bucket.get(item.name)
        value = None if data is None else self._read(data)
        if data is not None and value is not None:
            with self._lock:
                self._known.put(item, (value, len(data)))
        return value
