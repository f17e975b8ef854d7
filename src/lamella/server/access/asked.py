"""What is known of a request: who sent it, from where, and what for."""

from aiohttp import web

from lamella.server.access.identity import Identity
from lamella.server.access.rights import CHANGING
from lamella.server.answers import RefusedError

CLIENT = web.RequestKey("client", str)
"""The address of the client."""
IDENTITY = web.RequestKey("identity", Identity)
CHANGES = web.RequestKey("changes", list[tuple[str, str]])
"""What the request wants to change: actions and names."""
REFUSED = web.RequestKey("refused", tuple[str, str])
"""What was refused last."""


def permit(request: web.Request, action: str, name: str) -> None:
    """Refuse the request if the client may not do `action` to `name`. This is the server's gate."""
    if action in CHANGING:
        request[CHANGES].append((action, name))
    require(request, action, name)


def require(request: web.Request, action: str, name: str) -> None:
    """Refuse the request if the client may not do that, and note the refusal for the audit log."""
    try:
        request[IDENTITY].must(action, name)
    except RefusedError:
        request[REFUSED] = action, name
        raise
