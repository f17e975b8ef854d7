"""Refusals as pages, for people; programs are told in the registries' JSON."""

from aiohttp import web

from lamella.server.answers import RefusedError, Show
from lamella.server.page.render import Renderer

_PROGRAMS = ("/v2", "/nix", "/metrics")
_TITLES = {
    400: "That cannot be",
    401: "Who are you?",
    403: "That is not for you",
    404: "There is nothing here",
    405: "Not like this",
    429: "Too much at once",
    500: "Something broke",
    503: "Not now",
}


def shown(renderer: Renderer) -> Show:
    """What shows refusals to those who ask for HTML, at addresses that are for people."""

    def show(request: web.Request, error: RefusedError) -> web.Response | None:
        if request.path.startswith(_PROGRAMS) or "text/html" not in request.headers.get("Accept", ""):
            return None
        title = _TITLES.get(error.status, "That did not work")
        page = renderer.page(
            "error",
            error.status,
            title=title,
            message=str(error).removeprefix(f"{error.status}: "),
            detail=error.detail,
        )
        page.headers.update(error.headers)
        if error.headers.get("Connection") == "close":
            page.force_close()
        return page

    return show
