"""How programs learn that they can log in, and the tokens that some of them need.

Docker and podman ask `/v2/` once, and send credentials only if it demands them. If everybody may do something and users
with a login may do more, demanding `Basic` would lock out clients without a login, and demanding nothing would never
get the credentials of the others. So the demand is `Bearer`: clients request a token first, with a login or without.
The token is the login itself in another form; nothing is stored, and every replica knows it.
"""

import re

from aiohttp import web

from lamella.server.access.asked import IDENTITY
from lamella.server.access.identity import NOBODY, Door
from lamella.server.access.refusals import unauthorized

ROOT = ("/v2", "/v2/")
TOKENS = "/v2/token"
"""The path that hands out tokens."""

_REALM = "lamella"
_EXPIRES = 3600
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+")


def challenge(door: Door, origin: str, path: str) -> str:
    """Return `WWW-Authenticate` for clients that reach us at `origin`. Browsers do not support such tokens."""
    if door.is_mixed and path.startswith(ROOT[0]) and _ORIGIN.fullmatch(origin):
        return f'Bearer realm="{origin}{TOKENS}",service="{_REALM}"'
    return f'Basic realm="{_REALM}"'


def demand_login(door: Door, request: web.Request) -> None:
    """Refuse a request that only checks whether a login is needed, if logins exist."""
    if door.is_mixed and request.path in ROOT and "Authorization" not in request.headers:
        raise unauthorized("log in, or request a token without a login")


async def token(request: web.Request) -> web.StreamResponse:
    """Hand out a token. Wrong logins are refused before this."""
    secret = request.headers.get("Authorization", "").partition(" ")[2].strip() if request[IDENTITY].name else NOBODY
    told = {"token": secret, "access_token": secret, "expires_in": _EXPIRES}
    return web.json_response(told, headers={"Cache-Control": "no-store"})


def routes() -> list[web.RouteDef]:
    """Return the routes that must be added before the registry's own."""
    return [web.get(TOKENS, token)]
