"""Watches requests: each gets a number, is counted, and becomes a line in the log."""

import itertools
import secrets
import time

from aiohttp import web
from aiohttp.typedefs import Middleware

from lamella.server.access.asked import CLIENT, IDENTITY
from lamella.server.answers import FAILURE, NUMBER, Handler
from lamella.server.monitoring.lines import Line, Tell
from lamella.server.monitoring.metrics import Metrics, kind_of
from lamella.staging import StorageError

REQUEST_ID = "X-Request-Id"
_GONE, _FAILED = 499, 500
_QUIET = ("health", "metrics")
"""Kinds of requests that machines repeat all the time; they are logged only if they fail."""
_EMPTY = (204, 304)


def watching(metrics: Metrics, tell: Tell | None) -> Middleware:
    """Return the outermost middleware. `tell` gets the lines of the log."""
    start, count = secrets.token_hex(4), itertools.count(1)

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        number = f"{start}-{next(count):x}"
        NUMBER.set(number)
        began, status, sent = time.perf_counter(), _FAILED, 0
        metrics.running += 1
        try:
            response = await handler(request)
            status, sent = response.status, _size(request, response)
            return response
        except ConnectionError:
            status = _GONE
            raise
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            metrics.running -= 1
            kind, seconds = kind_of(request.path), time.perf_counter() - began
            metrics.answered((kind, request.method, status), seconds, sent, request.content.total_bytes)
            failure = request.get(FAILURE)
            if isinstance(failure, StorageError):
                metrics.bucket_errors += 1
            if tell and (status >= 400 or kind not in _QUIET):
                tell(_line(request, number, status, sent, seconds))

    return watch


def _line(request: web.Request, number: str, status: int, sent: int, seconds: float) -> Line:
    identity, failure = request.get(IDENTITY), request.get(FAILURE)
    return Line(
        number,
        request.get(CLIENT) or request.remote or "",
        identity.name if identity else "",
        request.method,
        request.raw_path.partition("?")[0],
        status,
        sent,
        seconds,
        str(failure) if failure else "",
    )


def _size(request: web.Request, response: web.StreamResponse) -> int:
    """Return how many bytes of a body are sent."""
    if request.method == "HEAD" or response.status in _EMPTY:
        return 0
    return response.content_length or response.body_length


async def stamp(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the number of the request to a response, and forbid browsers to guess its type."""
    response.headers[REQUEST_ID] = NUMBER.get("")
    response.headers["X-Content-Type-Options"] = "nosniff"
