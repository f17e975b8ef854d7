"""The addresses of a binary cache, below `/nix/<name>`: for Nix, and a page for people.

    GET  nix-cache-info   <hash>.narinfo   <hash>.ls   nar/<file>   log/<derivation>   and HEAD        pull
    PUT                   <hash>.narinfo   <hash>.ls   nar/<file>   log/<derivation>                   push
    DELETE                <hash>.narinfo                                                               delete

The last column is the right that each needs to `nix/<name>`. What is in the bucket is sent as it is stored. NARs of the
local store and of other caches have addresses that name their path, so that every replica can find them.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from lamella.cache.bucket import MissingError
from lamella.cache.narinfos import LOGS, NARS
from lamella.cache.publishing import NIX, Pulls, used
from lamella.errors import LamellaError
from lamella.server.access.client import Proxies
from lamella.server.address import OwnAddress
from lamella.server.answers import Handler, RefusedError
from lamella.server.gate import admit
from lamella.server.nixcache.cache import Cache, Found
from lamella.server.nixcache.flights import Flights
from lamella.server.nixcache.listing import listing
from lamella.server.nixcache.local import dumped
from lamella.server.nixcache.names import DERIVATION, FILE, HASH, LARGEST_LISTING, LARGEST_LOG, PASSING
from lamella.server.nixcache.nars import Incoming, UnfitError
from lamella.server.serving import Served, in_threads, send_blocks, serve_item
from lamella.server.threads import Threads
from lamella.sources.nix.graph import STORE, base32
from lamella.sources.nix.narinfo import written
from lamella.staging import StorageError
from lamella.transport.errors import TransportError

_LARGEST_NARINFO = 1 << 20
_BLOCK = 1 << 20
_FOREVER = {"Cache-Control": "max-age=31536000, immutable"}
_NAR, _NARINFO = "application/x-nix-nar", "text/x-nix-narinfo"
_CODES = {403: "DENIED", 404: "NOT_FOUND", 413: "SIZE_INVALID", 502: "UNAVAILABLE", 503: "UNAVAILABLE"}
_NOT_FOUND, _TOO_LARGE, _UNKNOWN_CODING, _BAD_GATEWAY, _NO_STORAGE = 404, 413, 415, 502, 503


class Service:
    """One cache, as it is served. `spool` is a folder for NARs in transit; with `redirect`, clients are sent to the
    bucket for NARs if possible; `proxies` are trusted to say how clients reach us."""

    def __init__(
        self, cache: Cache, spool: Path, redirect: timedelta | None = None, proxies: Proxies | None = None
    ) -> None:
        self._cache = cache
        self._bucket = cache.bucket
        self._name = f"{NIX}{cache.settings.name}"
        self._pulls = Pulls(cache.bucket)
        self._spool = spool
        self._redirect = redirect
        self._proxies = proxies or Proxies()
        self._threads = Threads("caches")
        self._flights = Flights(cache, spool)

    def routes(self) -> list[web.RouteDef]:
        """Return all routes, from the root of the server."""
        at = f"/{self._name}"
        narinfo, listed = f"{at}/{{hash:{HASH}}}.narinfo", f"{at}/{{hash:{HASH}}}.ls"
        return [
            web.get(f"{at}{{_:/?}}", self._open("pull", self._page)),
            web.get(f"{at}/nix-cache-info", self._open("pull", self._about)),
            web.get(narinfo, self._open("pull", self._narinfo)),
            web.get(listed, self._open("pull", self._listing)),
            web.get(f"{at}/nar/{{file:{FILE}}}", self._open("pull", self._nar)),
            web.get(f"{at}/nar/{{file:{PASSING}}}", self._open("pull", self._passing_nar)),
            web.get(f"{at}/log/{{drv:[^/]+}}", self._open("pull", self._log)),
            web.put(narinfo, self._open("push", self._put_narinfo)),
            web.put(listed, self._open("push", self._put_listing)),
            web.put(f"{at}/nar/{{file:[^/]+}}", self._open("push", self._put_nar)),
            web.put(f"{at}/log/{{drv:[^/]+}}", self._open("push", self._put_log)),
            web.delete(narinfo, self._open("delete", self._delete_narinfo)),
        ]

    def _open(self, action: str, handler: Handler) -> Handler:
        """Return the handler, open to clients with the right. Errors get a status that Nix understands."""

        async def opened(request: web.Request) -> web.StreamResponse:
            admit(request, action, self._name)
            try:
                return await handler(request)
            except StorageError:
                raise
            except LamellaError as error:
                status = _status(error)
                raise RefusedError(status, _CODES.get(status, "UNSUPPORTED"), str(error)) from error

        return opened

    async def close(self) -> None:
        """Wait for NARs that are on their way from other caches."""
        await self._flights.settle()

    async def _page(self, request: web.Request) -> web.Response:
        settings = self._cache.settings
        keys = " ".join(key.public for key in self._cache.keys)
        url = f"{OwnAddress(self._proxies.origin(request)).url}/{self._name}"
        lines = [
            f"This is {settings.name}, a Nix binary cache. To use its packages, add to nix.conf:",
            "",
            f"    extra-substituters = {url}",
            f"    extra-trusted-public-keys = {keys}" if keys else "    # this cache signs nothing itself",
            "",
            "To upload packages:",
            "",
            f"    nix copy --to {url} ./result",
        ]
        return web.Response(text="\n".join(lines) + "\n")

    async def _about(self, _: web.Request) -> web.Response:
        text = f"StoreDir: {STORE}\nWantMassQuery: 1\nPriority: {self._cache.settings.priority}\n"
        return web.Response(text=text, content_type="text/x-nix-cache-info")

    async def _narinfo(self, request: web.Request) -> web.Response:
        hashed = request.match_info["hash"]
        text = await asyncio.to_thread(self._kept, hashed)
        if text is None:
            text = written((await self._found(hashed)).info)
        return web.Response(text=text, content_type=_NARINFO)

    def _kept(self, hashed: str) -> str | None:
        """Return the narinfo in the bucket. The pull is noted first, so that garbage collection keeps it."""
        text = self._cache.kept(hashed)
        if text is None or self._pulls.is_noted(self._name, hashed):
            return text
        if not self._pulls.pulled(self._name, hashed):
            raise UnfitError(f"{hashed} is being removed as garbage; try again", _NO_STORAGE)
        return self._cache.kept(hashed)

    async def _found(self, hashed: str) -> Found:
        """Return what is known of a path. Other caches may be slow, so they are asked in separate threads."""
        found = await asyncio.to_thread(self._cache.here, hashed)
        if found is None and self._cache.upstreams:
            found = await self._threads.run(self._cache.elsewhere, hashed)
        if found is None:
            raise UnfitError(f"{hashed} is not in this cache", _NOT_FOUND)
        return found

    async def _nar(self, request: web.Request) -> web.StreamResponse:
        name = f"{NARS}{request.match_info['file']}"
        if request.method == "HEAD" and not await asyncio.to_thread(used, self._bucket, name):
            raise UnfitError(
                f"{name} is not in this cache", _NOT_FOUND
            )  # a client that hears it exists will not send it
        return await serve_item(request, self._bucket, Served(name, _NAR, None, _FOREVER), self._redirect)

    async def _passing_nar(self, request: web.Request) -> web.StreamResponse:
        file = request.match_info["file"]
        found = await self._found(file[:32])
        if found.upstream and not self._flights.has(found):  # it may have landed meanwhile
            landed = await asyncio.to_thread(self._cache.here, file[:32])
            found = landed or found
        info = found.info
        if f"{file[:32]}-{base32(bytes.fromhex(info.nar_hash))}" != file.partition(".")[0]:
            raise UnfitError(f"{info.path} has a different NAR now", _NOT_FOUND)
        if not found.local and not found.upstream:
            if file.partition(".")[2] != info.url.partition(".")[2]:
                raise UnfitError(f"the NAR of {info.path} is compressed differently now", _NOT_FOUND)
            return await serve_item(request, self._bucket, Served(info.url, _NAR, None, _FOREVER), self._redirect)
        response = web.StreamResponse(headers={"Content-Type": _NAR, **_FOREVER})
        response.content_length = info.file_size or None
        if request.method == "HEAD":
            return response
        return await send_blocks(request, response, self._made(found) if found.local else self._flights.follow(found))

    async def _made(self, found: Found) -> AsyncIterator[bytes]:
        try:
            async for block in in_threads(dumped(found.info)):
                yield bytes(block)
        except LamellaError:
            if self._cache.store:
                self._cache.store.forget(found.info.path)
            raise

    async def _listing(self, request: web.Request) -> web.Response:
        found = await self._found(request.match_info["hash"])
        if found.local or found.upstream:
            raise UnfitError(f"{found.info.path} is not in the bucket, so it cannot be listed", _NOT_FOUND)
        data = await asyncio.to_thread(self._listed, found)
        response = web.Response(body=data, content_type="application/json")
        response.enable_compression()
        return response

    def _listed(self, found: Found) -> bytes:
        name = f"{found.info.url}.ls"
        data = self._bucket.get(name)
        if data is None:
            data = listing(self._bucket.read(found.info.url), found.info, self._spool)
            self._bucket.put(name, data)
        return data

    async def _log(self, request: web.Request) -> web.Response:
        data = await asyncio.to_thread(self._bucket.get, self._log_item(request))
        if data is None:
            raise UnfitError("no such log", _NOT_FOUND)
        return web.Response(body=data, content_type="text/plain", charset="utf-8")

    async def _put_log(self, request: web.Request) -> web.Response:
        item = self._log_item(request)
        data = await _body(request, LARGEST_LOG)
        await asyncio.to_thread(self._bucket.put, item, data)
        return web.Response()

    def _log_item(self, request: web.Request) -> str:
        name = request.match_info["drv"]
        if not re.fullmatch(DERIVATION, name, re.ASCII):
            raise UnfitError(f"{name[:100]!r} is not the name of a derivation", _NOT_FOUND)
        return f"{LOGS}{self._cache.settings.name}/{name}"

    async def _put_nar(self, request: web.Request) -> web.Response:
        file = request.match_info["file"]
        if not re.fullmatch(FILE, file):
            raise UnfitError(
                f"{file[:100]!r} is not the name of a NAR: FILEHASH.nar, optionally with .xz, .zst or .bz2"
            )
        with Incoming(self._bucket, file, self._cache.largest) as incoming:
            async for block in _blocks(request, self._cache.largest):
                await asyncio.to_thread(incoming.write, block)
            await asyncio.to_thread(incoming.commit)
        return web.Response()

    async def _put_narinfo(self, request: web.Request) -> web.Response:
        data = await _body(request, _LARGEST_NARINFO)
        await self._threads.run(self._cache.accept, request.match_info["hash"], data.decode("utf-8", "replace"))
        return web.Response()

    async def _put_listing(self, request: web.Request) -> web.Response:
        async for _ in _blocks(request, LARGEST_LISTING):
            pass
        return web.Response()

    async def _delete_narinfo(self, request: web.Request) -> web.Response:
        if not await asyncio.to_thread(self._cache.remove, request.match_info["hash"]):
            raise UnfitError("the path is not in this cache", _NOT_FOUND)
        return web.Response(status=204)


async def _blocks(request: web.Request, largest: int) -> AsyncIterator[bytes]:
    """Yield the body of a request, in blocks large enough to be worth a thread."""
    coding = request.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        raise UnfitError(f"the content encoding {coding[:100]!r} is not supported", _UNKNOWN_CODING)
    passed, waiting = 0, bytearray()
    async for chunk in request.content.iter_any():
        passed += len(chunk)
        if passed > largest:
            raise UnfitError(f"the body is larger than {largest} bytes, which is the limit here", _TOO_LARGE)
        waiting += chunk
        if len(waiting) >= _BLOCK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


async def _body(request: web.Request, largest: int) -> bytes:
    return b"".join([block async for block in _blocks(request, largest)])


def _status(error: LamellaError) -> int:
    if isinstance(error, UnfitError):
        return error.status
    kinds = {MissingError: _NOT_FOUND, TransportError: _BAD_GATEWAY}
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 400)
