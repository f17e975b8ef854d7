"""Refusals as pages, for people; programs get the JSON of registries."""

from aiohttp import web

from lamella.server.answers import RefusedError, Show
from lamella.server.page.render import Renderer

_PROGRAMS = ("/v2", "/nix", "/metrics")
_TITLES = {
    400: "Bad request",
    401: "Log in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    429: "Too many requests",
    500: "Server error",
    503: "Not available now",
}


def shown(renderer: Renderer) -> Show:
    """Return the function that shows refusals as pages to clients that ask for HTML, at addresses for people."""

    def show(request: web.Request, error: RefusedError) -> web.Response | None:
        if request.path.startswith(_PROGRAMS) or "text/html" not in request.headers.get("Accept", ""):
            return None
        title = _TITLES.get(error.status, "The request failed")
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
