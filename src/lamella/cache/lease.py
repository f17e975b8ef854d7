"""The collector's side of `holds`: only one collects at a time, and it announces what it is about to remove."""

import contextlib
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Self

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.holds import DOOMED, MARGIN, Doom, read_doom
from lamella.errors import LamellaError

_LASTS = 120.0
_BEAT = 30.0


class CollectingError(LamellaError):
    """Another process collects garbage in this bucket."""

    exit_code = 5


class LapsedError(LamellaError):
    """A lease has lapsed, so nothing more may be removed under it."""

    exit_code = 5


class Lease:
    """The right to remove items while this context is entered.

    It is renewed in the background. If an exception is raised while items are doomed, a removal may still be under way,
    so the doom is left to expire by itself.
    """

    def __init__(self, bucket: SharedBucket) -> None:
        self._bucket = bucket
        self._owner = secrets.token_hex(16)
        self._doom = Doom(self._owner, 0.0, [])
        self._data = b""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        data = self._bucket.get(DOOMED)
        there = read_doom(data)
        if there:
            raise CollectingError(
                f"another process is collecting garbage; if it was killed, its turn ends at {_time(there.until)}; "
                "run again later"
            )
        wanted = msgspec.json.encode(doom := Doom(self._owner, time.time() + _LASTS, []))
        if not (self._bucket.create(DOOMED, wanted) if data is None else self._bucket.swap(DOOMED, data, wanted)):
            raise CollectingError("another process has just begun to collect garbage; run again later")
        self._doom, self._data = doom, wanted
        self._beats.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._beats.join()
        if not self._doom.names:
            with contextlib.suppress(LamellaError):  # it expires by itself
                self._say((), until=0.0)

    def doom(self, names: Sequence[str]) -> None:
        """Announce which items are about to be removed; this replaces the previous announcement."""
        if not self._say(names, time.time() + _LASTS):
            raise LapsedError("another process took over collecting garbage, as this one was silent for too long")

    def check(self) -> None:
        """Raise a `LapsedError` if there is no time left for a removal; to be called right before each."""
        if time.time() > self._doom.until - MARGIN:
            raise LapsedError("collecting garbage stopped, as the bucket did not answer in time; run again")

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            with contextlib.suppress(LamellaError):  # if this goes on, `check` notices
                self._say(None, time.time() + _LASTS)

    def _say(self, names: Sequence[str] | None, until: float) -> bool:
        """Announce `names`, or the same as before; False if others may already have treated the lease as expired."""
        with self._lock:
            if self._doom.names and time.time() > self._doom.until:
                return False
            doom = Doom(self._owner, until, self._doom.names if names is None else list(names))
            wanted = msgspec.json.encode(doom)
            if not self._bucket.swap(DOOMED, self._data, wanted) and not self._swap_ours(wanted):
                return False
            self._doom, self._data = doom, wanted
            return True

    def _swap_ours(self, wanted: bytes) -> bool:
        """If the answer to an earlier request was lost, the item is ours, but different from what we remember."""
        data = self._bucket.get(DOOMED)
        if data is None or self._owner.encode() not in data:
            return False
        return data == wanted or self._bucket.swap(DOOMED, data, wanted)


def _time(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment + MARGIN))
