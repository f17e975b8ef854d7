"""Caches beside this one: what they tell of paths is believed if somebody who is trusted has signed it."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lamella.cache.narinfos import ENDINGS
from lamella.server.nixcache.names import hash_of, is_path
from lamella.server.nixcache.settings import Upstream
from lamella.sources.nix.graph import NixError
from lamella.sources.nix.narinfo import NarInfo, PublicKeys, parse_any
from lamella.transport.connections import shown
from lamella.transport.depot import below
from lamella.transport.errors import TransportError
from lamella.transport.fetch import Fetcher, GoneError

T = TypeVar("T")
Clock = Callable[[], float]

_MOST = 50_000
_KNOWN, _DOWN = 60.0, 20.0
"""For how many seconds it is remembered what a cache has and has not, and that it cannot be reached."""

log = logging.getLogger(__name__)


class Briefly(Generic[T]):
    """Remembers some things for a while."""

    def __init__(self, seconds: float, clock: Clock, most: int = _MOST) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def get(self, key: str) -> tuple[T] | None:
        """What is remembered, if anything is."""
        with self._lock:
            since, value = self._known.get(key, (float("-inf"), None))
            return (value,) if self._clock() - since < self._seconds else None  # type: ignore[return-value]

    def set(self, key: str, value: T) -> None:
        with self._lock:
            self._known[key] = (self._clock(), value)
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another cache tells of a path, and the address of the NAR there."""

    info: NarInfo
    url: str


class Upstreams:
    """Caches, in the order in which they are asked. Used by threads, which may have to wait."""

    def __init__(self, settings: Sequence[Upstream], fetcher: Fetcher, clock: Clock = time.monotonic) -> None:
        self._caches = [(one.url, PublicKeys(one.keys)) for one in settings]
        self.fetcher = fetcher
        self._known: Briefly[Elsewhere | None] = Briefly(_KNOWN, clock)
        self._down: Briefly[TransportError] = Briefly(_DOWN, clock)

    def __bool__(self) -> bool:
        return bool(self._caches)

    def find(self, hashed: str) -> Elsewhere | None:
        """What the first cache tells that has the path; a `TransportError` if one that may have it does not answer."""
        known = self._known.get(hashed)
        if known:
            return known[0]
        failed: TransportError | None = None
        for address, keys in self._caches:
            try:
                found = self._ask(address, keys, hashed)
            except TransportError as error:
                failed = failed or error
            else:
                if found:
                    self._known.set(hashed, found)
                    return found
        if failed:
            raise failed
        self._known.set(hashed, None)
        return None

    def _ask(self, address: str, keys: PublicKeys, hashed: str) -> Elsewhere | None:
        down = self._down.get(address)
        if down:
            raise down[0]
        try:
            text = self.fetcher.document(below(address, f"{hashed}.narinfo"))
        except GoneError:
            return None
        except TransportError as error:
            self._down.set(address, error)
            raise
        try:
            info = parse_any(text.decode("utf-8", "replace"), f"{shown(address)}: what is told of {hashed}")
        except NixError as error:
            log.warning("%s", error)
            return None
        wrong = _wrong(info, hashed, keys)
        if wrong:
            log.warning("%s has %s, but %s; it is not used", shown(address), hashed, wrong)
            return None
        return Elsewhere(info, below(address, info.url))


def _wrong(info: NarInfo, hashed: str, keys: PublicKeys) -> str:
    """Why it cannot be used."""
    if hash_of(info.path) != hashed or not all(map(is_path, (info.path, *info.references))):
        return f"tells of {info.path!r}"
    if info.compression not in ENDINGS:
        return f"compressed by {info.compression!r}, which cannot be read here"
    return "" if keys.vouch_for(info) else "signed by nobody who is trusted"
