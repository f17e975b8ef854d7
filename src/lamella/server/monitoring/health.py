"""Whether the server is alive, and whether it can do its work. Everybody may ask, and learns nothing more."""

import asyncio
import logging
import time

from aiohttp import web

from lamella.cache.bucket import SharedBucket
from lamella.errors import LamellaError
from lamella.server.once import Once

_FRESH = 5.0
_PATIENCE = 5.0
_ITEM = "ready"
"""An item that does not have to exist; what counts is that the bucket answers."""
_HEADERS = {"Cache-Control": "no-store"}

_log = logging.getLogger("lamella.server.monitoring")


class Health:
    """Answers probes."""

    def __init__(self, bucket: SharedBucket) -> None:
        self._bucket = bucket
        self._once: Once[str, bool] = Once()
        self._looked = float("-inf")
        self._is_well = False
        self.is_stopping = False

    async def alive(self, _request: web.Request) -> web.StreamResponse:
        """Say that the process answers, without asking the bucket."""
        return web.Response(text="alive\n", headers=_HEADERS)

    async def ready(self, _request: web.Request) -> web.StreamResponse:
        """Say whether requests can be answered: the bucket was reached a moment ago, and the server is not stopping."""
        if self.is_stopping:
            return web.Response(status=503, text="stopping\n", headers=_HEADERS)
        if time.monotonic() - self._looked > _FRESH:
            await self._once.do(_ITEM, self._look)
        if self._is_well:
            return web.Response(text="ready\n", headers=_HEADERS)
        return web.Response(status=503, text="the bucket cannot be reached\n", headers=_HEADERS)

    async def _look(self) -> bool:
        try:
            await asyncio.wait_for(asyncio.to_thread(self._bucket.get, _ITEM), _PATIENCE)
            self._is_well = True
        except (LamellaError, TimeoutError) as error:
            _log.warning("the bucket cannot be reached: %s", error or "it does not answer")
            self._is_well = False
        self._looked = time.monotonic()
        return self._is_well
