"""The pages of builds, and of their logs, which can be followed while they are written."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from lamella.cache.bucket import Item, MissingError
from lamella.server.access.asked import IDENTITY
from lamella.server.answers import RefusedError
from lamella.server.builds.log import STEADY
from lamella.server.demand.settings import Source
from lamella.server.gate import admit, is_admitted
from lamella.server.page.jobs import Build, Builds, is_log
from lamella.server.page.paging import page_of
from lamella.server.page.render import Renderer

_FROM = re.compile("bytes=([0-9]{1,9})-")
_STATE = "X-Build-State"


@dataclass(frozen=True)
class BuildPages:
    """The pages of builds. Clients see those of names that they may pull."""

    renderer: Renderer
    builds: Builds
    sources: Sequence[Source] = ()

    async def visible(self, request: web.Request) -> list[Build]:
        """Return the builds that the client may see."""
        return [build for build in await asyncio.to_thread(self.builds.all) if self._sees(request, build)]

    async def all(self, request: web.Request) -> web.StreamResponse:
        """The page of all builds."""
        admit(request, "pull", "")
        found = await self.visible(request)
        running = sum(build.state == "running" for build in found)
        page = page_of(request, found)
        return self.renderer.page("builds", who=request[IDENTITY].name, here="builds", page=page, running=running)

    async def log(self, request: web.Request) -> web.StreamResponse:
        """The page of a build with its log."""
        log, build, item = await self._found(request)
        text = await self._text(log) if item else b""
        return self.renderer.page(
            "build",
            who=request[IDENTITY].name,
            here="builds",
            log=log,
            build=build,
            state_word=build.state if build else "done",
            text=text.decode(errors="replace"),
            size=len(text),
            steady=STEADY,
        )

    async def text(self, request: web.Request) -> web.StreamResponse:
        """A log as text, or its part from a byte on; a header says whether more will come."""
        log, build, item = await self._found(request)
        size = item.size if item else 0
        etag = f'"{size}-{int(item.used * 1000) if item else 0}"'
        headers = {_STATE: build.state if build else "done", "Cache-Control": "private, no-cache", "ETag": etag}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        wanted = _FROM.fullmatch(request.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        if wanted and start >= size:
            return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        text = await self._text(log, start) if item else b""
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{start + len(text) - 1}/{start + len(text)}"
        status = 206 if wanted else 200
        return web.Response(body=text, status=status, content_type="text/plain", charset="utf-8", headers=headers)

    async def _found(self, request: web.Request) -> tuple[str, Build | None, Item | None]:
        """Return a log's name, its build unless that is forgotten, and its item unless nothing was written yet."""
        admit(request, "pull", "")
        log = request.match_info["log"]
        if not is_log(log):
            raise _unknown(log)
        build = await asyncio.to_thread(self.builds.of_log, log)
        item = await asyncio.to_thread(self.builds.log, log)
        if (build is None and item is None) or (build and not self._sees(request, build)):
            raise _unknown(log)
        return log, build, item

    async def _text(self, log: str, start: int = 0) -> bytes:
        try:
            return await asyncio.to_thread(self.builds.text, log, start)
        except MissingError as error:
            raise _unknown(log) from error

    def _sees(self, request: web.Request, build: Build) -> bool:
        """Whether the client may pull the build's name; images of the first source also have one without prefix."""
        first = f"{self.sources[0].name}/" if self.sources else ""
        names = {build.name, build.name.removeprefix(first)}
        return any(is_admitted(request, "pull", name) for name in names if name)


def _unknown(log: str) -> RefusedError:
    return RefusedError(404, "NOT_FOUND", f"no log named {log[:40]!a}")
