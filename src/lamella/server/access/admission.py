"""How programs learn that they can log in, and the tokens that some of them want for it.

Docker and podman ask `/v2/` once, and bring what they know of us only if that demands it. Where everybody may do
something and others may do more, demanding `Basic` there would lock out who has no login, and demanding nothing would
never ask those who have one. So there the demand is `Bearer`: they fetch a token first, with a login or without. The
token is the login itself, written down again; nothing is kept, and any replica knows it.
"""

import re

from aiohttp import web

from lamella.server.access.asked import IDENTITY
from lamella.server.access.identity import NOBODY, Door
from lamella.server.access.refusals import unauthorized

ROOT = ("/v2", "/v2/")
TOKENS = "/v2/token"
"""Where tokens are handed out."""

_REALM = "lamella"
_EXPIRES = 3600
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+")


def challenge(door: Door, origin: str, path: str) -> str:
    """What `WWW-Authenticate` says to those who find us at `origin`. Tokens are for registries; browsers know none."""
    if door.is_mixed and path.startswith(ROOT[0]) and _ORIGIN.fullmatch(origin):
        return f'Bearer realm="{origin}{TOKENS}",service="{_REALM}"'
    return f'Basic realm="{_REALM}"'


def demand_login(door: Door, request: web.Request) -> None:
    """Refuses whoever only looks whether a login is asked for, where one may be."""
    if door.is_mixed and request.path in ROOT and "Authorization" not in request.headers:
        raise unauthorized("log in, or fetch a token without a login")


async def token(request: web.Request) -> web.StreamResponse:
    """Hands out a token. A wrong login does not get here."""
    secret = request.headers.get("Authorization", "").partition(" ")[2].strip() if request[IDENTITY].name else NOBODY
    told = {"token": secret, "access_token": secret, "expires_in": _EXPIRES}
    return web.json_response(told, headers={"Cache-Control": "no-store"})


def routes() -> list[web.RouteDef]:
    """What has to be in the application before the registry's own routes."""
    return [web.get(TOKENS, token)]
