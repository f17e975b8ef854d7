"""The pins of requests, looked up again when they may have changed."""

import logging
from collections.abc import Callable

from lamella.server.demand.errors import DemandError
from lamella.server.demand.names import Pin, Request
from lamella.server.demand.settings import DEB, PYPI
from lamella.server.hot import Hot
from lamella.server.once import Once
from lamella.server.threads import Threads

_log = logging.getLogger("lamella.server.builds")

_MOST = 10_000
_FRESH = 15.0
_KEPT = 86400.0


class Pins:
    """Pins of requests. Archives and indexes are asked again after a while; if that fails, the last pin stays."""

    def __init__(self, pin_of: Callable[[Request], Pin]) -> None:
        self._pin_of = pin_of
        self._threads = Threads("pins")
        self._once: Once[tuple[str, str], Pin] = Once()
        self._fresh: Hot[tuple[str, str], Pin] = Hot(_MOST, _FRESH, lambda _: 1)
        self._last: Hot[tuple[str, str], Pin] = Hot(_MOST, _KEPT, lambda _: 1)

    async def of(self, request: Request) -> Pin:
        """The pin of a request."""
        if request.source.kind not in (DEB, PYPI):
            return await self._asked(request)
        key = (request.name, request.tag)
        pin = self._fresh.get(key)
        if pin:
            return pin
        try:
            pin = await self._asked(request)
        except DemandError as error:
            known = self._last.get(key)
            if known is None:
                raise
            _log.warning("%s is used as it was last known: %s", request.name, error.fault or error)
            pin = known
        self._fresh.put(key, pin)
        self._last.put(key, pin)
        return pin

    async def _asked(self, request: Request) -> Pin:
        key = (request.name, request.tag)
        return await self._once.do(key, lambda: self._threads.run(self._pin_of, request))
