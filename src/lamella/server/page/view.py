"""The pages: what can be pulled, and what is in it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from lamella.cache.repositories import Repository
from lamella.server.access.asked import IDENTITY
from lamella.server.access.refusals import unauthorized
from lamella.server.address import OwnAddress
from lamella.server.answers import RefusedError
from lamella.server.builds.jobs import Tally
from lamella.server.demand.settings import Source
from lamella.server.gate import admit, is_admitted
from lamella.server.mirrors import Mirror
from lamella.server.monitoring.amounts import Amounts, Measured
from lamella.server.page.examples import examples
from lamella.server.page.follow import BuildPages
from lamella.server.page.leaf import leaf
from lamella.server.page.paging import page_of
from lamella.server.page.render import Renderer
from lamella.server.page.shelves import Shelves
from lamella.server.registry.names import digest, is_digest, is_tag, repository_name

_RECENT = 5
_AT_ONCE = 4
"""How many images are read at once: their lists of packages may be long."""
_LONGEST_SEARCH = 255
_BETWEEN = "/-/"
"""Separates a repository and a reference: no name has a part like this."""


@dataclass(frozen=True)
class About:
    """What the pages say about the server."""

    sources: Sequence[Source] = ()
    mirrors: Sequence[Mirror] = ()
    caches: Sequence[str] = ()
    writable: bool = False


@dataclass(frozen=True)
class Numbers:
    """The numbers of the server."""

    tally: Tally
    lookups: Mapping[str, tuple[int, int]]
    measured: Measured | None


@dataclass(frozen=True)
class Counts:
    """The sources of the numbers."""

    tally: Tally
    lookups: Callable[[], Mapping[str, tuple[int, int]]]
    amounts: Amounts

    def now(self) -> Numbers:
        """Return the current numbers."""
        return Numbers(self.tally, self.lookups(), self.amounts.latest())


@dataclass(frozen=True)
class View:
    """The pages of one server. `origin` gives the address that a client used; `sees` says who may see the numbers."""

    renderer: Renderer
    shelves: Shelves
    builds: BuildPages
    about: About
    counts: Counts
    origin: Callable[[web.BaseRequest], str]
    sees: Callable[[web.Request], bool]
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False)

    async def home(self, request: web.Request) -> web.StreamResponse:
        """The home page: what this server is, and how to pull from it."""
        admit(request, "pull", "")
        about = self.about
        sources = list(examples(about.sources))
        return self.renderer.page(
            "home",
            who=request[IDENTITY].name,
            address=self._address(request),
            sources=sources,
            named=next((one for one in sources if one.is_named), None),
            mirrors=about.mirrors,
            caches=[name for name in about.caches if is_admitted(request, "pull", f"nix/{name}")],
            writable=about.writable,
            recent=(await self.builds.visible(request))[:_RECENT],
            numbers=self.counts.now() if self.sees(request) else None,
        )

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Make a browser ask for a login."""
        if not request[IDENTITY].name:
            raise unauthorized("log in with a name and a password, or with a token as the password")
        raise web.HTTPSeeOther("/")

    async def images(self, request: web.Request) -> web.StreamResponse:
        """The page of repositories that the client may pull."""
        admit(request, "pull", "")
        wanted = request.query.get("q", "").strip()[:_LONGEST_SEARCH]
        everything = await asyncio.to_thread(self.shelves.all)
        found = [one for one in everything if wanted in one.name and is_admitted(request, "pull", one.name)]
        page = page_of(request, found)
        return self.renderer.page("images", who=request[IDENTITY].name, here="images", wanted=wanted, page=page)

    async def image(self, request: web.Request) -> web.StreamResponse:
        """The page of a repository, or of one of its images."""
        written, between, reference = request.match_info["path"].partition(_BETWEEN)
        name = repository_name(written)
        admit(request, "pull", name)
        repository = Repository(self.shelves.bucket, name)
        if not between:
            return await self._repository(request, repository)
        if not is_digest(reference) and not is_tag(reference):
            raise _unknown(name, reference)
        meant = digest(reference) if is_digest(reference) else reference
        async with self._room:
            found = await asyncio.to_thread(leaf, self.shelves, repository, meant, request.query.get("platform", ""))
        if found is None:
            raise _unknown(name, reference)
        address = self._address(request)
        return self.renderer.page("image", who=request[IDENTITY].name, here="images", address=address, **found)

    async def _repository(self, request: web.Request, repository: Repository) -> web.StreamResponse:
        versions = await asyncio.to_thread(self.shelves.versions, repository)
        if not versions:
            raise RefusedError(404, "NAME_UNKNOWN", f"{repository.name} does not exist here, or not yet")
        page = page_of(request, versions)
        rows = await asyncio.to_thread(lambda: [(one, self.shelves.platforms(one)) for one in page.items])
        return self.renderer.page(
            "repository",
            who=request[IDENTITY].name,
            here="images",
            name=repository.name,
            address=self._address(request),
            newest=versions[0].reference,
            page=page,
            rows=rows,
        )

    def _address(self, request: web.Request) -> OwnAddress:
        return OwnAddress(self.origin(request))


def _unknown(name: str, reference: str) -> RefusedError:
    return RefusedError(404, "MANIFEST_UNKNOWN", f"{name} has no manifest {reference[:140]!a}")
