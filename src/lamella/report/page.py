"""The page: one file that needs nothing else.

It contains the facts as data, and a script that shows them. Names come from anywhere, so nothing in the data can end
it or begin a tag, the script gives the browser text and never markup, and the page's policy tells the browser to run
only this script and to load nothing.
"""

import base64
import hashlib
import html
import zlib
from string import Template

import msgspec

from lamella.report import ASSETS
from lamella.report.facts import Facts

_STYLES = ("look.css", "report.css")
_SCRIPTS = ("picture.js", "report.js")
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def data_of(facts: Facts) -> bytes:
    """The facts as JSON."""
    return msgspec.json.encode(facts)


def page(facts: Facts, sbom: bytes) -> bytes:
    """The page that shows the facts; `sbom` is a document that can be saved from it."""
    style, script = "".join(map(_read, _STYLES)), "".join(map(_read, _SCRIPTS))
    values = {
        "policy": f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'",
        "title": html.escape(facts.name),
        "style": style,
        "script": script,
        "icon": _read("icon.svg"),
        "facts": _embedded(data_of(facts)),
        "sbom": base64.b64encode(zlib.compress(sbom)).decode(),
    }
    return Template(_read("report.html")).substitute(values).encode()


def _read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _embedded(data: bytes) -> str:
    """JSON that is safe inside a page: the same data, with the characters that HTML treats specially escaped."""
    text = data.decode()
    for sign, escape in _UNSAFE.items():
        text = text.replace(sign, escape)
    return text
