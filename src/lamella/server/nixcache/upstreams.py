"""Other caches that provide what this one lacks: their paths are used if a trusted key has signed them."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamella.cache.narinfos import ENDINGS
from lamella.server.hot import Hot
from lamella.server.nixcache.names import hash_of, is_path
from lamella.server.nixcache.settings import Upstream
from lamella.sources.nix.graph import NixError
from lamella.sources.nix.narinfo import NarInfo, PublicKeys, parse_any
from lamella.transport.connections import shown
from lamella.transport.depot import below
from lamella.transport.errors import GoneError, TransportError
from lamella.transport.fetch import Fetcher

Clock = Callable[[], float]

_MOST = 50_000
_KNOWN, _DOWN = 60.0, 20.0
"""How many seconds it is remembered which paths a cache has or lacks, and that a cache cannot be reached."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A path in another cache, and the address of its NAR there."""

    info: NarInfo
    url: str


class Upstreams:
    """The other caches, in the order in which they are asked. Methods block, so call them in threads."""

    def __init__(self, settings: Sequence[Upstream], fetcher: Fetcher, clock: Clock = time.monotonic) -> None:
        self._caches = [(one.url, PublicKeys(one.keys)) for one in settings]
        self.fetcher = fetcher
        self._known: Hot[str, tuple[Elsewhere | None]] = Hot(_MOST, _KNOWN, lambda _: 1, clock)
        self._down: Hot[str, str] = Hot(_MOST, _DOWN, lambda _: 1, clock)
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._caches)

    def find(self, hashed: str) -> Elsewhere | None:
        """Find a path in the first cache that has it. If there is none, but one failed, raises its `TransportError`."""
        with self._lock:
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
                    return self._remembered(hashed, found)
        if failed:
            raise failed
        return self._remembered(hashed, None)

    def _remembered(self, hashed: str, found: Elsewhere | None) -> Elsewhere | None:
        with self._lock:
            self._known.put(hashed, (found,))
        return found

    def _ask(self, address: str, keys: PublicKeys, hashed: str) -> Elsewhere | None:
        with self._lock:
            down = self._down.get(address)
        if down:
            raise TransportError(down)
        try:
            text = self.fetcher.document(below(address, f"{hashed}.narinfo"))
        except GoneError:
            return None
        except TransportError as error:
            with self._lock:
                self._down.put(address, str(error))
            raise
        try:
            info = parse_any(text.decode("utf-8", "replace"), f"{shown(address)}: the narinfo of {hashed}")
        except NixError as error:
            log.warning("%s", error)
            return None
        wrong = _wrong(info, hashed, keys)
        if wrong:
            log.warning("%s has %s, but %s; ignoring it", shown(address), hashed, wrong)
            return None
        return Elsewhere(info, below(address, info.url))


def _wrong(info: NarInfo, hashed: str, keys: PublicKeys) -> str:
    """Return why a narinfo cannot be used; empty if it can."""
    if hash_of(info.path) != hashed or not all(map(is_path, (info.path, *info.references))):
        return f"its narinfo is for {info.path!r}"
    if info.compression not in ENDINGS:
        return f"it is compressed with {info.compression!r}, which is not supported"
    return "" if keys.vouch_for(info) else "no trusted key has signed it"
