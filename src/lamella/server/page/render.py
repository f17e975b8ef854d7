"""HTML from templates, and the files that go with it.

Every value in a template is escaped, without exception. Scripts and styles are files of this server, and browsers are
told to use no others.
"""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
import msgspec
from aiohttp import web

from lamella.report import ASSETS
from lamella.report.tree import spot
from lamella.report.treemap import NARROW, WIDE
from lamella.server.words import ago, duration, plain, plain_lines, rate
from lamella.words import plural, size

_HERE = Path(__file__).parent
_SHARED = ("icon.svg", "look.css", "picture.js")
"""Files that reports use, too."""
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
    "Vary": "Authorization, Accept",
}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class _Asset:
    data: bytes
    kind: str

    @property
    def version(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:12]


def _assets() -> dict[str, _Asset]:
    files = [*(ASSETS / name for name in _SHARED), *sorted((_HERE / "assets").iterdir())]
    return {file.name: _Asset(file.read_bytes(), _KINDS[file.suffix]) for file in files if file.suffix in _KINDS}


class Renderer:
    """Makes pages."""

    def __init__(self, *, has_logins: bool = False) -> None:
        self._assets = _assets()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "ago": lambda moment: ago(time.time() - moment),
            "date": _date,
            "duration": duration,
            "json": lambda value: msgspec.json.encode(value).decode(),
            "plain": plain,
            "plain_lines": plain_lines,
            "plural": plural,
            "size": size,
        }
        self._templates.globals |= {
            "asset": self._asset_address,
            "has_logins": has_logins,
            "image_address": image_address,
            "query": urlencode,
            "rate": rate,
            "screens": (("wide", WIDE), ("narrow", NARROW)),
            "spot": spot,
        }

    def page(self, name: str, /, status: int = 200, **values: Any) -> web.Response:
        """Render the template `name` with `values`."""
        text = self._templates.get_template(f"{name}.html").render(values)
        return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """Return one of the pages' files; its address changes when it does."""
        found = self._assets.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": _FOREVER, "Content-Security-Policy": _POLICY}
        return web.Response(body=found.data, content_type=found.kind, charset="utf-8", headers=headers)

    def _asset_address(self, file: str) -> str:
        return f"/assets/{file}?{self._assets[file].version}"


def image_address(name: str, reference: str = "", platform: str = "") -> str:
    """Return the address of the page of a repository, or of an image in it."""
    end = f"/-/{quote(reference, safe=':')}" if reference else ""
    asked = "?" + urlencode({"platform": platform}) if platform else ""
    return f"/images/{quote(name)}{end}{asked}"


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00") + " UTC"
