"""An in-memory cache for what is needed again and again: bounded in size, and valid only for a while."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Hot(Generic[K, V]):
    """Values by key. The least recently used go first; `hits` and `misses` are counted."""

    def __init__(
        self, most: int, seconds: float, weigh: Callable[[V], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._weigh = weigh
        self._clock = clock
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._weight = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: K) -> V | None:
        """Return the value, if it is known and not too old."""
        found = self._values.get(key)
        if found is None or found[0] < self._clock():
            self.misses += 1
            self.forget(key)
            return None
        self.hits += 1
        self._values.move_to_end(key)
        return found[1]

    def put(self, key: K, value: V) -> None:
        """Remember a value, and forget others if there is no room."""
        self.forget(key)
        self._values[key] = (self._clock() + self._seconds, value)
        self._weight += self._weigh(value)
        while self._weight > self._most:
            self.forget(next(iter(self._values)))

    def forget(self, key: K) -> None:
        """Forget a value."""
        found = self._values.pop(key, None)
        if found is not None:
            self._weight -= self._weigh(found[1])
