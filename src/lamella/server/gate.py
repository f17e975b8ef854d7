"""The gate that lets a request through or not: handlers say what they are about to do, and to which name."""

from collections.abc import Callable

from aiohttp import web

from lamella.server.answers import RefusedError

Gate = Callable[[web.Request, str, str], None]
"""Gets the request, the action and the name; raises a `RefusedError` unless the client may do that.

Without a name, it matters only whether the client may do it to any name.
"""

GATE: web.AppKey[Gate] = web.AppKey("gate")


def admit(request: web.Request, action: str, name: str) -> None:
    """Refuse the request unless its client may do `action` to `name`."""
    request.app[GATE](request, action, name)


def is_admitted(request: web.Request, action: str, name: str) -> bool:
    """Whether the client may do that."""
    try:
        admit(request, action, name)
    except RefusedError:
        return False
    return True
