"""The contents of many small items: read several at a time, and again only if they may have changed."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from lamella.cache.bucket import Item, SharedBucket

AT_ONCE = 16
_CHUNK = 4096
_SETTLED = 3600.0
"""An item that was older than this when it was read has not been written since, if its time is the same."""

T = TypeVar("T")


class Contents:
    """Reads items and remembers their meaning. `now` is a time before the first was read."""

    def __init__(self, bucket: SharedBucket, now: float) -> None:
        self._bucket = bucket
        self._now = now
        self._known: dict[str, tuple[float, Any]] = {}

    def read(self, items: Iterable[Item], meaning: Callable[[bytes], T]) -> Iterator[tuple[Item, T]]:
        """Yield the items that still exist, each with its meaning."""
        todo = iter(items)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while chunk := list(islice(todo, _CHUNK)):
                new = [item for item in chunk if self._known.get(item.name, (None,))[0] != item.used]
                for item, data in zip(new, pool.map(lambda item: self._bucket.get(item.name), new), strict=True):
                    self._known.pop(item.name, None)
                    if data is not None:
                        self._known[item.name] = item.used, meaning(data)
                yield from ((item, self._known[item.name][1]) for item in chunk if item.name in self._known)
                for item in new:
                    if item.used > self._now - _SETTLED:
                        self._known.pop(item.name, None)


def at_once(call: Callable[[T], object], items: Iterable[T]) -> None:
    """Call `call` with each item, several at a time; raise what it raises."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(call, item) for item in items]:
            future.result()
