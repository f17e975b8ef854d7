"""What the server shows: pages for people, and where they and machines find them.

    view        what can be pulled    follow      builds                  errors      refusals, as pages
    render      HTML                  paging      long lists              examples    of names
    shelves     repositories          leaf        one of their images     images      its layers
    jobs        builds and their logs             latest      items of the bucket

Pages show the repositories that the client may pull, and their builds. Once a build is forgotten, everybody who knows
the name of its log can read it; the name cannot be guessed. The numbers of the server are for clients that may `admin`,
and for everybody if only this machine can reach it and the settings do not say otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from aiohttp import web

from lamella.server.access.asked import IDENTITY, require
from lamella.server.access.rights import ADMIN
from lamella.server.answers import SHOW
from lamella.server.builds.jobs import Jobs
from lamella.server.monitoring.amounts import Amounts
from lamella.server.monitoring.health import Health
from lamella.server.monitoring.metrics import CONTENT_TYPE, House, Metrics
from lamella.server.monitoring.watch import stamp
from lamella.server.page.errors import shown
from lamella.server.page.follow import BuildPages
from lamella.server.page.jobs import Builds
from lamella.server.page.render import Renderer
from lamella.server.page.shelves import Shelves
from lamella.server.page.view import About, Counts, View
from lamella.server.registry.registry import Registry

_METRICS = "metrics"


@dataclass(frozen=True)
class Looks:
    """The pages, metrics and probes. `open_here` says that every client may see the numbers."""

    registry: Registry
    jobs: Jobs
    metrics: Metrics
    health: Health
    about: About
    origin: Callable[[web.BaseRequest], str]
    has_logins: bool = False
    open_here: bool = False

    def add_to(self, app: web.Application) -> None:
        """Add pages, metrics and probes to an application."""
        bucket = self.registry.bucket
        renderer = Renderer(has_logins=self.has_logins)
        amounts = Amounts(bucket)
        counts = Counts(self.jobs.tally, lambda: self.registry.lookups, amounts)
        self.metrics.registry.register(House(version("lamella"), counts.lookups, counts.tally, amounts))
        builds = BuildPages(renderer, Builds(bucket), self.about.sources)
        view = View(renderer, Shelves(bucket), builds, self.about, counts, self.origin, self._sees)
        app[SHOW] = shown(renderer)
        app.on_response_prepare.append(stamp)
        app.on_cleanup.append(lambda _: amounts.close())
        app.add_routes(
            [
                web.get("/", view.home),
                web.get("/login", view.login),
                web.get("/images", view.images),
                web.get("/images/{path:.+}", view.image),
                web.get("/builds", builds.all),
                web.get("/builds/{log}", builds.log),
                web.get("/builds/{log}/text", builds.text),
                web.get("/assets/{file}", renderer.asset),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self.health.alive),
                web.get("/readyz", self.health.ready),
            ]
        )

    def _sees(self, request: web.Request) -> bool:
        return self.open_here or request[IDENTITY].may(ADMIN, _METRICS)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        if not self.open_here:
            require(request, ADMIN, _METRICS)
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
        return web.Response(body=self.metrics.text(), headers=headers)
