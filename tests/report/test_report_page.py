"""The page of a report: it loads nothing, and names cannot end or begin anything in it."""

import base64
import hashlib
import re
import zlib
from html.parser import HTMLParser

import msgspec
from tests.report.pictured import EVIL, foreign, image, layer, told

from lamella.report.facts import Facts, facts
from lamella.report.page import page

SBOM = b'{"name": "</script>"}'


class Parts(HTMLParser):
    """The elements of a page, and the contents of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.append((tag, found))
        self._open = found.get("id") or tag

    def handle_data(self, data: str) -> None:
        self.inside[self._open] = self.inside.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


def test_the_data_stands_in_the_page() -> None:
    parts = Parts(page(told(), SBOM).decode())
    assert msgspec.json.decode(parts.inside["facts"], type=Facts) == told()
    assert zlib.decompress(base64.b64decode(parts.inside["sbom"])) == SBOM
    assert parts.inside["title"].startswith("analysis:1")


def test_names_end_nothing_and_begin_nothing() -> None:
    text = page(facts(image(EVIL, {layer(EVIL, 1): None})), SBOM).decode()
    harmless = Parts(page(facts(foreign()), SBOM).decode())
    assert [tag for tag, _ in Parts(text).tags] == [tag for tag, _ in harmless.tags]
    assert "<script>document" not in text
    assert "\u202e" not in text


def test_no_one_is_asked_for_anything() -> None:
    text = page(told(), SBOM).decode()
    parts = Parts(text)
    assert not [found for _, found in parts.tags if {"src", "srcset", "action"} & found.keys()]
    assert [found["href"] for _, found in parts.tags if "href" in found] == ["#main"]
    assert not re.search(r"@import|url\(", parts.inside["style"])
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}


def test_the_browser_is_told_to_run_this_and_no_more() -> None:
    text = page(told(), SBOM).decode()
    policy = next(str(found["content"]) for _, found in Parts(text).tags if "http-equiv" in found)
    assert policy.startswith("default-src 'none'")
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in policy


def test_the_same_facts_give_the_same_page() -> None:
    assert page(told(), SBOM) == page(told(), SBOM)
