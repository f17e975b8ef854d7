"""Parses pages strictly: anything that is not well-formed, or that our pages should not have, is an error."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset({"meta", "link", "input", "img", "br", "hr"})
_ALLOWED_SCHEMES = ("/", "#", "?")


@dataclass
class Element:
    """An element, and the text directly in it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page:
    """A parsed page."""

    elements: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> list[Element]:
        """All elements of a kind."""
        return [element for element in self.elements if element.tag == tag]

    @property
    def links(self) -> list[str]:
        """The targets of its links."""
        return [href for element in self.all("a") if (href := element.attributes.get("href"))]

    @property
    def ids(self) -> list[str]:
        """The ids in it that links can point to."""
        return [name for element in self.elements if (name := element.attributes.get("id"))]

    @property
    def text(self) -> str:
        """All of its text."""
        return " ".join(element.text.strip() for element in self.elements if element.text.strip())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag} says twice the same: {names}"
        assert not [name for name in names if name.startswith("on") or name == "style"], f"{tag}: {names}"
        element = Element(tag, dict(attrs))
        self.page.elements.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> ends nothing"
        assert self.open[-1].tag == tag, f"</{tag}> where <{self.open[-1].tag}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1].text += data
        else:
            assert not data.strip(), f"{data!r} is outside"


def read(text: str) -> Page:
    """Parse a page. Inline handlers, styles and scripts, and addresses of other hosts, are errors."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open, f"{[element.tag for element in reader.open]} do not end"
    page = reader.page
    for element in page.elements:
        for name in ("href", "src", "action", "data-log"):
            value = element.attributes.get(name)
            assert value is None or (value.startswith(_ALLOWED_SCHEMES) and not value.startswith("//")), value
        assert element.tag not in ("style", "iframe", "object", "embed", "base"), element
        assert element.tag != "script" or not element.text, element
    assert len(set(page.ids)) == len(page.ids)
    assert len(page.all("h1")) == 1
    return page
