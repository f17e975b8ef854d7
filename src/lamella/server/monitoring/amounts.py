"""How much the bucket holds. Measuring it lists everything, so it is done in the background, and not often."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lamella.cache.bucket import SharedBucket
from lamella.errors import LamellaError

PARTS = (
    *("layers", "nar", "narinfo", "nixlogs", "repositories", "mirrored", "manifests", "builds", "jobs", "logs"),
    *("uploads", "pins", "pulls", "used"),
)
"""The parts that are counted: all that grow."""
EVERY = 1800.0
"""Seconds between two measurements, at least."""

_log = logging.getLogger("lamella.server.monitoring")


@dataclass(frozen=True, slots=True)
class Amount:
    """A part of the bucket."""

    part: str
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What the bucket held at a time."""

    when: float
    amounts: tuple[Amount, ...]

    @property
    def size(self) -> int:
        """The total in bytes."""
        return sum(amount.size for amount in self.amounts)


class Amounts:
    """Measures when the numbers are looked at, and gives the last result."""

    def __init__(self, bucket: SharedBucket, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock
        self._latest: Measured | None = None
        self._next = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._stop = threading.Event()

    def latest(self) -> Measured | None:
        """Return the last result; None before the first. Starts to measure again if that is long ago."""
        if self._clock() >= self._next and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._measure())
        return self._latest

    async def close(self) -> None:
        """Stop measuring."""
        self._stop.set()
        if self._task:
            await self._task

    async def _measure(self) -> None:
        try:
            self._latest = await asyncio.to_thread(self._look) or self._latest
        except LamellaError as error:
            _log.warning("cannot measure what the bucket holds: %s", error)
        self._next = self._clock() + EVERY

    def _look(self) -> Measured | None:
        """Measure what the bucket holds; return None if the server is stopping."""
        amounts = []
        for part in PARTS:
            count = size = 0
            for item in self._bucket.list(f"{part}/"):
                count, size = count + 1, size + item.size
                if self._stop.is_set():
                    return None
            amounts.append(Amount(part, count, size))
        return Measured(self._clock(), tuple(amounts))
