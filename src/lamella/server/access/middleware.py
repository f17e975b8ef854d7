"""What each request passes before it is answered, from the outside in.

tell      writes changes and refusals to the audit log
limit     refuses too many, too large or too slow requests
meet      finds out who sent the request
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lamella.server.access.admission import challenge, demand_login
from lamella.server.access.asked import CHANGES, CLIENT, IDENTITY, REFUSED
from lamella.server.access.audit import Audit
from lamella.server.access.bodies import BodyWatch
from lamella.server.access.client import Proxies, group
from lamella.server.access.connections import answering
from lamella.server.access.identity import Door, claimed
from lamella.server.access.rates import Rate
from lamella.server.access.refusals import DENIED, UNAUTHORIZED, denied, too_many
from lamella.server.access.settings import Limits
from lamella.server.answers import RefusedError
from lamella.transport.proxies import is_loopback

_LOGIN = "login"
_BURST_SECONDS = 10
_FAILED = 500


@dataclass(frozen=True)
class Entrance:
    """Everything that a request has to pass."""

    door: Door
    limits: Limits
    proxies: Proxies
    audit: Audit

    @property
    def middlewares(self) -> Sequence[Middleware]:
        """The middlewares, to be placed inside the one that turns refusals into answers."""
        return [_tell(self), _limit(self.limits), _meet(self.door)]


def _tell(entrance: Entrance) -> Middleware:
    @web.middleware
    async def tell(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CLIENT] = entrance.proxies.client(request)
        request[CHANGES] = []
        status = _FAILED
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        except RefusedError as error:
            status = error.status
            if status == UNAUTHORIZED:
                demanded = challenge(entrance.door, entrance.proxies.origin(request), request.path)
                error.headers = {**error.headers, "WWW-Authenticate": demanded}
            raise
        finally:
            identity = request.get(IDENTITY)
            for action, name in _noted(request, status):
                entrance.audit.note(request[CLIENT], identity.name if identity else "", action, name, status)
        return response

    return tell


def _noted(request: web.Request, status: int) -> Iterator[tuple[str, str]]:
    """Yield what goes into the audit log: all requested changes, and what a known user may not do."""
    yield from request[CHANGES]
    if IDENTITY not in request and status == UNAUTHORIZED:
        yield _LOGIN, claimed(request.headers)
    if status == DENIED and REFUSED in request and request[REFUSED] not in request[CHANGES]:
        yield request[REFUSED]


def _limit(limits: Limits) -> Middleware:
    per_second = limits.requests_per_second
    rate = Rate(per_second, limits.burst or per_second * _BURST_SECONDS) if per_second else None

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        with answering(request), BodyWatch(request, limits):
            if rate and (wait := rate.take(group(request[CLIENT]))):
                raise too_many("too many requests from your address", wait)
            return await handler(request)

    return limit


def _meet(door: Door) -> Middleware:
    @web.middleware
    async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
        if door.is_of_this_machine and not _is_of_this_machine(request):
            raise denied(
                "only this machine may use the server, by the name localhost; to let others in, set `anonymous` in "
                "[access]"
            )
        if _is_of_another_site(request):
            raise denied("web pages of other sites may not use this server")
        request[IDENTITY] = await door.identify(request.headers, group(request[CLIENT]))
        demand_login(door, request)
        return await handler(request)

    return meet


def _is_of_this_machine(request: web.Request) -> bool:
    """Whether the client addresses this machine: a foreign page in a browser here would use its own host name."""
    try:
        return is_loopback(urlsplit(f"//{request.host}").hostname or "")
    except ValueError:
        return False


def _is_of_another_site(request: web.Request) -> bool:
    """Whether a web page of another site makes a browser send this to where programs go; only browsers say so.

    The page would not see the answer, but could have images built with the login that the browser remembers.
    """
    is_foreign = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    is_link = request.headers.get("Sec-Fetch-Mode") == "navigate" and not request.path.startswith("/v2")
    return is_foreign and not is_link and request.path.startswith(("/v2", "/nix"))
