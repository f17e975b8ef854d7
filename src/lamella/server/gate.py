"""Where each request is let through or not: handlers say what is about to be done, and to which name."""

from collections.abc import Callable

from aiohttp import web

from lamella.server.answers import RefusedError

Gate = Callable[[web.Request, str, str], None]
"""Is told the request, the action and the name; raises a `RefusedError` unless whoever asks may do that.

No name means that it matters only whether there is anything that they may do.
"""

GATE: web.AppKey[Gate] = web.AppKey("gate")


def admit(request: web.Request, action: str, name: str) -> None:
    """Goes on if whoever asks may do `action` to `name`."""
    request.app[GATE](request, action, name)


def is_admitted(request: web.Request, action: str, name: str) -> bool:
    """Whether whoever asks may do that."""
    try:
        admit(request, action, name)
    except RefusedError:
        return False
    return True
