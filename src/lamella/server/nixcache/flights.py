"""NARs on their way from other caches: each is downloaded once, however many clients want it.

    other cache --thread--> file without a name --> any number of clients, each at its own pace
                                               '--> the bucket, when all of it is right

Clients get the bytes as they arrive, except for the last one: it is held back until the whole NAR is known to be what
was signed. So no client ever has a wrong NAR that looks complete.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from lamella.errors import LamellaError
from lamella.oci.digest import DigestError
from lamella.oci.image import Buffer
from lamella.server.demand.errors import public
from lamella.server.nixcache import nars
from lamella.server.nixcache.cache import Cache, Found
from lamella.server.nixcache.names import item_of
from lamella.server.nixcache.nars import UnfitError
from lamella.server.threads import Threads
from lamella.sources.nix.narinfo import NarInfo
from lamella.sources.spool import nameless
from lamella.staging import StorageError, explained
from lamella.transport.errors import TransportError

_BLOCK = 1 << 20
_BAD_GATEWAY, _NO_STORAGE = 502, 503
_SLACK = 1 << 20
"""How much larger than its contents a compressed file may be."""

log = logging.getLogger(__name__)


class Flight:
    """A NAR that is arriving. A thread writes to it, and clients follow it in the event loop."""

    def __init__(self, spool: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = nameless(spool)
        self._there = 0
        self._ended = False
        self._failed: tuple[str, int] | None = None
        self._news = asyncio.Event()
        self._followed = False
        self.users = 0

    def write(self, block: Buffer) -> None:
        """Add the next bytes."""
        self._file.write(bytes(block))
        self._loop.call_soon_threadsafe(self._tell, self._file.size - 1)

    def end(self) -> None:
        """Mark the NAR as complete and right."""
        self._loop.call_soon_threadsafe(self._tell, self._file.size, True)

    def fail(self, message: str, status: int) -> None:
        """Mark the NAR as failed. Clients that have received nothing yet get this message."""
        self._loop.call_soon_threadsafe(self._tell, 0, True, (message, status))

    def copy(self, write: Callable[[Buffer], object]) -> None:
        """Pass everything that has arrived to `write`."""
        at = 0
        while block := self._file.read_at(_BLOCK, at):
            write(block)
            at += len(block)

    @property
    def abandoned(self) -> bool:
        """Whether there were clients, and all have left."""
        return self.users == 1 and self._followed

    async def follow(self) -> AsyncIterator[Buffer]:
        """Yield the bytes from the first on, as they arrive. Raises a `LamellaError` if they turn out to be wrong."""
        self._followed = True
        at = 0
        while True:
            while at < self._there:
                block = await asyncio.to_thread(self._file.read_at, min(_BLOCK, self._there - at), at)
                at += len(block)
                yield block
            if self._failed:
                raise UnfitError(*self._failed)
            if self._ended and at == self._there:
                return
            await self._news.wait()

    def leave(self) -> None:
        """Remove a user. The file goes with the last one."""
        self.users -= 1
        if not self.users:
            self._file.close()

    def _tell(self, there: int, ended: bool = False, failed: tuple[str, int] | None = None) -> None:
        self._there, self._ended, self._failed = there, ended, failed
        news, self._news = self._news, asyncio.Event()
        news.set()


class Flights:
    """All NARs on their way to one cache."""

    def __init__(self, cache: Cache, spool: Path) -> None:
        self._cache = cache
        self._spool = spool
        self._threads = Threads("nars")
        self._flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def has(self, found: Found) -> bool:
        """Whether a NAR is on its way."""
        return found.info.url in self._flights

    async def follow(self, found: Found) -> AsyncIterator[Buffer]:
        """Yield the bytes of a NAR from another cache."""
        flight = self._flights.get(found.info.url) or self._start(found)
        flight.users += 1
        try:
            async for block in flight.follow():
                yield block
        finally:
            flight.leave()

    async def settle(self) -> None:
        """Wait for all NARs that are on their way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, found: Found) -> Flight:
        self._spool.mkdir(parents=True, exist_ok=True)
        key = found.info.url
        flight = self._flights[key] = Flight(self._spool)
        flight.users += 1
        task = asyncio.create_task(self._threads.run(self._fetch, flight, found))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            del self._flights[key]
            flight.leave()

        task.add_done_callback(ended)
        return flight

    def _fetch(self, flight: Flight, found: Found) -> None:
        try:
            facts = self._fetched(flight, found)
        except LamellaError as error:
            log.warning("%s", str(error))
            flight.fail(public(error), _NO_STORAGE if isinstance(error, StorageError) else _BAD_GATEWAY)
            return
        except Exception as error:
            flight.fail(f"cannot download {found.info.path}: {type(error).__name__}", _BAD_GATEWAY)
            raise
        flight.end()
        if self._cache.settings.keep:
            self._keep(flight, found.info, facts)

    def _fetched(self, flight: Flight, found: Found) -> nars.Facts:
        """Download the NAR, and check it."""
        info = found.info
        scales = nars.Scales(info.compression, info.nar_size, info.path)
        most = info.file_size or info.nar_size + info.nar_size // 16 + _SLACK
        passed = 0

        def sink(block: Buffer) -> None:
            nonlocal passed
            passed += memoryview(block).nbytes
            if passed > most:
                raise DigestError(f"the NAR of {info.path} is larger than {most} bytes, which it should have at most")
            if flight.abandoned and not self._cache.settings.keep:
                raise TransportError(f"no client waits for {info.path} any more")
            scales.write(block)
            flight.write(block)

        with explained(self._spool, "cannot write to"):
            self._cache.upstreams.fetcher.download(found.upstream, sink)
        facts = scales.finish()
        of_file = (info.file_hash or facts.file_hash, info.file_size or facts.file_size)
        if facts != nars.Facts(*of_file, info.nar_hash, info.nar_size):
            raise DigestError(f"the downloaded NAR of {info.path} is not the one that was signed")
        return facts

    def _keep(self, flight: Flight, info: NarInfo, facts: nars.Facts) -> None:
        """Store the NAR, and then its narinfo."""
        here = msgspec.structs.replace(info, file_hash=facts.file_hash, file_size=facts.file_size)
        here = msgspec.structs.replace(here, url=item_of(here))
        try:
            with self._cache.publishing(here):
                nars.keep(self._cache.bucket, here.url, facts, flight.copy)
                self._cache.tell(here)
        except LamellaError as error:
            log.warning("cannot keep %s: %s", info.path, error)
