"""How things look on the screen: sizes, tables and digests; colours only on a terminal."""

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from lamella.oci.digest import Digest, encoded
from lamella.words import plural, size

__all__ = ["as_json", "meant", "plural", "printable", "short", "size", "table"]


def short(digest: str) -> str:
    """Return enough of a digest to tell it from others."""
    return encoded(Digest(digest))[:12]


def table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return lines of aligned columns; those in `right` are right-aligned."""
    lines = [list(row) for row in rows]
    if not lines:
        return []
    widths = [max(len(click.unstyle(line[i])) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(_pad(cell, widths[i], i in right) for i, cell in enumerate(line)).rstrip() for line in lines]


def _pad(cell: str, width: int, right: bool) -> str:
    space = " " * (width - len(click.unstyle(cell)))
    return space + cell if right else cell + space


def printable(text: str) -> str:
    """Return `text` with everything that could control a terminal escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def meant(word: str, names: Iterable[str]) -> str:
    """`; did you mean '...'?` if one of `names` is similar to `word`, else an empty string."""
    near = difflib.get_close_matches(word, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
