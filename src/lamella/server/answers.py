"""How the server refuses a request: in the JSON of registries, with a status, a code, and a line for people."""

import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from aiohttp import web

from lamella.errors import LamellaError
from lamella.staging import StorageError

_log = logging.getLogger("lamella.server")

_CODES = {400: "UNSUPPORTED", 401: "UNAUTHORIZED", 403: "DENIED", 404: "NOT_FOUND", 405: "UNSUPPORTED"}
_CODES |= {413: "SIZE_INVALID", 429: "TOOMANYREQUESTS"}

NUMBER: ContextVar[str] = ContextVar("number")
"""The number of the request that is being answered; log lines show it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RefusedError(LamellaError):
    """A request is refused; `code` is one that registries know."""

    def __init__(
        self, status: int, code: str, message: str, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}


Show = Callable[[web.Request, RefusedError], web.Response | None]

SHOW: web.AppKey[Show] = web.AppKey("show")
"""Shows a refusal to people as a page; returns None if a program asks."""

FAILURE = web.RequestKey("failure", LamellaError)
"""The error that kept the server from answering this request."""


def refused(error: RefusedError) -> web.Response:
    """Return the answer for a refusal."""
    told: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.detail:
        told["detail"] = error.detail
    response = web.Response(
        status=error.status,
        body=json.dumps({"errors": [told]}).encode(),
        content_type="application/json",
        headers=error.headers,
    )
    if error.headers.get("Connection") == "close":
        response.force_close()
    return response


@web.middleware
async def explaining(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into an answer. If it is our own fault, the answer gives a number under which the log has it.

    Clients never learn where the bucket is or what it answered.
    """
    try:
        return await handler(request)
    except RefusedError as error:
        return _told(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = _CODES.get(error.status, "UNKNOWN")
        return _told(
            request, RefusedError(error.status, code, error.text or error.reason, headers=_kept(error.headers))
        )
    except ConnectionError:
        raise
    except LamellaError as error:
        request[FAILURE] = error
        number = NUMBER.get("") or secrets.token_hex(4)
        _log.error("%s %s: %s, number %s", request.method, request.path, error, number)
        where = f"the bucket of this server failed; see number {number} in the server's log"
        message = where if isinstance(error, StorageError) else str(error)
        return _told(request, RefusedError(503, "UNAVAILABLE", message, headers={"Retry-After": "5"}))
    except Exception:
        number = NUMBER.get("") or secrets.token_hex(4)
        _log.exception("%s %s failed, number %s", request.method, request.path, number)
        return _told(request, RefusedError(500, "UNKNOWN", f"this server failed; see number {number} in its log"))


def _told(request: web.Request, error: RefusedError) -> web.Response:
    show = request.app.get(SHOW)
    page = show(request, error) if show else None
    return page or refused(error)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in ("Allow", "Retry-After", "WWW-Authenticate")}
