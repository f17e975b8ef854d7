"""The server as a whole: its parts, and how it starts and stops.

request --> watch --> explaining --> entrance --> a part of the server --> bucket
                                                       |
                                                       +--> builds, mirrors
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from lamella.cache.bucket import SharedBucket
from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.server import http, registry
from lamella.server.access import admission, tls
from lamella.server.access.asked import permit
from lamella.server.access.audit import Audit
from lamella.server.access.client import Proxies
from lamella.server.access.connections import Site
from lamella.server.access.identity import Door
from lamella.server.access.middleware import Entrance
from lamella.server.answers import explaining
from lamella.server.builds.builder import Builder, Offers
from lamella.server.builds.jobs import Jobs, Outcome
from lamella.server.builds.orders import Order
from lamella.server.builds.worker import work
from lamella.server.demand.names import Pin
from lamella.server.demand.pins import pin_of
from lamella.server.garbage import collect_now_and_then
from lamella.server.gate import GATE
from lamella.server.mirrors import Mirrors
from lamella.server.monitoring.health import Health
from lamella.server.monitoring.lines import Tell
from lamella.server.monitoring.metrics import Metrics
from lamella.server.monitoring.watch import watching
from lamella.server.nixcache.cache import cache_of
from lamella.server.nixcache.routes import Service
from lamella.server.page import Looks
from lamella.server.page.view import About
from lamella.server.registry.registry import Largest, Origin, Registry
from lamella.server.settings import Settings

_THREADS = 64
"""More than will ever wait for a bucket at once; each costs little."""
_VALID = timedelta(hours=1)
_UNBOUNDED = 1 << 62
_LAST_WORDS = 1.0
"""Seconds to tell clients that still wait that the server stops."""


@dataclass(frozen=True)
class Server:
    """A server before it runs: its settings, as values and as text, and what it works with."""

    settings: Settings
    written: str
    bucket: SharedBucket
    place: Workplace
    worker: Sequence[str]
    """The command of a process that builds an image."""
    tell: Tell | None = None
    """Gets a line for each request."""

    def application(self, jobs: Jobs, health: Health) -> web.Application:
        """Return the application that answers requests."""
        settings = self.settings
        proxies = Proxies(settings.access.trusted_proxies)
        fetch = needed(self.place.outside, "who vouches for tokens").downloads.fetcher.document
        door = Door(settings.access, fetch, loopback=settings.loopback)
        entrance = Entrance(door, settings.limits, proxies, Audit(settings.access.audit))
        metrics = Metrics()
        app = web.Application(middlewares=[watching(metrics, self.tell), explaining, *entrance.middlewares])
        app[GATE] = permit
        images = Registry(
            self.bucket,
            self._origins(jobs),
            writable=settings.writable,
            redirect=self._redirect,
            largest=Largest(settings.limits.manifest_size, settings.limits.blob_size),
        )
        app.add_routes([*admission.routes(), *registry.routes(images)])
        for service in self._caches(proxies):
            app.add_routes(service.routes())
            app.on_cleanup.append(_closing(service))
        caches = [cache.name for cache in settings.caches]
        about = About(settings.sources, settings.mirrors, caches, settings.writable)
        looks = Looks(images, jobs, metrics, health, about, proxies.origin, door.has_logins, door.is_of_this_machine)
        looks.add_to(app)
        return app

    def _caches(self, proxies: Proxies) -> Iterator[Service]:
        settings, downloads = self.settings, needed(self.place.outside, "binary caches").downloads
        largest = settings.limits.blob_size or _UNBOUNDED
        for each in settings.caches:
            cache = cache_of(each, self.bucket, downloads.fetcher, largest)
            yield Service(cache, downloads.folder, self._redirect, proxies)

    @property
    def _redirect(self) -> timedelta | None:
        return _VALID if self.settings.redirect else None

    def _origins(self, jobs: Jobs) -> list[Origin]:
        settings, outside = self.settings, needed(self.place.outside, "what images are made of")
        mirrors = Mirrors(self.bucket, settings.mirrors, outside.registries, settings.limits.blob_size)
        offers = Offers(settings.sources, settings.demand, settings.wait)
        builder = Builder(self.bucket, offers, jobs, self._build, lambda request: pin_of(request, self.place))
        return [mirrors, builder]

    async def _build(self, name: str, tag: str, pin: Pin, log: str) -> Outcome:
        order = Order(self.written, self.settings.bucket, name, tag, pin)
        return await work(self.worker, order, self.bucket, log, self.settings.demand.seconds)


def _closing(service: Service) -> Callable[[web.Application], Awaitable[None]]:
    async def close(_: web.Application) -> None:
        await service.close()

    return close


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[str]:
    """Serve while this context lasts; it gives the address.

    At the end, no new requests are accepted. Running builds and answers have `stop_seconds` to finish; then builds are
    left to other replicas, and the clients that wait for them are told so.
    """
    settings = server.settings
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "server"))
    jobs, health = Jobs(server.bucket, settings.builds_at_once), Health(server.bucket)
    app = server.application(jobs, health)
    runner = await http.runner(app, shutdown_timeout=_LAST_WORDS, **settings.limits.runner)
    context = tls.context(settings.tls) if settings.tls else None
    site = Site(runner, settings.address, settings.limits, Proxies(settings.access.trusted_proxies), context)
    collecting = asyncio.create_task(collect_now_and_then(server.bucket, settings.gc))
    try:
        await site.start()
        yield site.name
    finally:
        health.is_stopping = True
        collecting.cancel()
        await asyncio.gather(site.drain(settings.stop_seconds), jobs.close(settings.stop_seconds))
        await runner.cleanup()
