"""How HTTP is handled: bodies are kept as they are sent, and clients that send nonsense or go away are not logged."""

import logging
from typing import Any

from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError

from lamella.server.answers import RefusedError

_EXPECTATION_FAILED = 417
_THEIRS = (HttpProcessingError, ClientPayloadError, ConnectionError, RefusedError)


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], _THEIRS))


_log = logging.getLogger("lamella.server.http")
_log.addFilter(_is_ours)


async def runner(app: web.Application, **limits: Any) -> web.AppRunner:
    """Return a runner for `app`, set up."""
    runs = web.AppRunner(app, access_log=None, logger=_log, auto_decompress=False, **limits)
    await runs.setup()
    server = runs.server
    assert server is not None
    handle = server.request_handler

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if not request.headers.get("Expect", "").isascii():  # aiohttp fails to answer it
            return web.Response(status=_EXPECTATION_FAILED)
        return await handle(request)

    server.request_handler = answer
    return runs
