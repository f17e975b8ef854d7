"""Limits for the bodies of requests: how large they may be, and how long they may take."""

import asyncio

from aiohttp import StreamReader, web

from lamella.server.access.refusals import too_large, too_slow
from lamella.server.access.settings import Limits
from lamella.server.answers import RefusedError
from lamella.server.nixcache.names import longest_body

_BLOBS = ("/blobs/uploads/", "/nar/")
_LOOK = 1.0
"""Seconds between two checks of a body, at most."""


def longest(request: web.Request, limits: Limits) -> int | None:
    """Return how large the body of `request` may be; None for any size."""
    of_cache = longest_body(request.path)
    if of_cache:
        return of_cache
    is_blob = any(part in request.path for part in _BLOBS)
    return limits.blob_size if is_blob else limits.manifest_size


class BodyWatch:
    """A context manager that ends a body that is too large or too slow: its reader gets a `RefusedError`.

    Time counts only while the client can send. A body with a `Content-Length` is refused in advance; one without may
    exceed its limit by what arrives in a second.
    """

    def __init__(self, request: web.Request, limits: Limits) -> None:
        self._body: StreamReader = request.content
        self._request = request
        self._limits = limits
        self._longest = longest(request, limits)
        self._loop = asyncio.get_running_loop()
        self._every = min(_LOOK, limits.stall_seconds / 4)
        self._start = self._moved = self._loop.time()
        self._arrived = 0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        length = self._request.content_length
        if self._longest is not None and length is not None and length > self._longest:
            raise too_large(self._longest)
        if not self._body.is_eof():
            self._timer = self._loop.call_later(self._every, self._look)

    def __exit__(self, *raised: object) -> None:
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        if self._body.is_eof():
            return
        refusal = self._refusal()
        if refusal:
            self._body.set_exception(refusal)
        else:
            self._timer = self._loop.call_later(self._every, self._look)

    def _refusal(self) -> RefusedError | None:
        now = self._loop.time()
        transport = self._request.transport
        can_send = isinstance(transport, asyncio.ReadTransport) and transport.is_reading()
        if self._body.total_bytes != self._arrived or not can_send:
            self._arrived, self._moved = self._body.total_bytes, now
        if self._longest is not None and self._arrived > self._longest:
            return too_large(self._longest)
        if now - self._moved > self._limits.stall_seconds:
            return too_slow(self._limits.stall_seconds, "no more of the body arrived")
        if now - self._start > self._limits.body_seconds:
            return too_slow(self._limits.body_seconds, "the body did not arrive")
        return None
