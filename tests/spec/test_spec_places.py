"""Lines are found in texts of every shape that TOML allows, with values that look like keys and tables."""

import tomllib
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.spec.places import lines
from lamella.spec.problems import KeyPath

FOOLS = [
    '"""\n[[k0]]\nk1 = {\n"""',
    "'''\nk2 = [ # '\n'''",
    '"[k3] # \\" k4 ="',
    "'k5]'",
    '""""k6"""""',
    "12:00:00",
    "-1.5",
]
KEYS = ["%s", '"%s"', "'%s'"]


class Writer:
    """Writes nested tables with a new key for every value, and notes on which line it put each."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.places: dict[KeyPath, int] = {}
        self.numbers = count()

    def one_of(self, values: list[Any]) -> Any:
        return self.draw(st.sampled_from(values))

    def key(self, path: KeyPath) -> KeyPath:
        """Writes a new key, at times a dotted one; both of its parts are noted."""
        for more in (True, False) if self.draw(st.booleans()) else (False,):
            path = (*path, f"k{next(self.numbers)}")
            self.places[path] = self.line
            self.text += self.one_of(KEYS) % path[-1] + (self.one_of([".", " . "]) if more else "")
        return path

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def pair(self, path: KeyPath, depth: int) -> None:
        here = self.key(path)
        self.text += self.one_of(["=", " = "])
        self.value(here, depth)

    def value(self, path: KeyPath, depth: int) -> None:
        shape = self.one_of(["plain", "list", "table"]) if depth else "plain"
        if shape == "plain":
            self.text += self.one_of(FOOLS)
        elif shape == "list":
            self.text += "["
            for i in range(self.one_of([0, 1, 3])):
                self.text += self.one_of(["", "\n", " # [k7, \n"])
                self.places[(*path, i)] = self.line
                self.value((*path, i), depth - 1)
                self.text += self.one_of([",", " ,", " # ]\n,"])
            self.text += "]"
        else:
            self.text += "{ "
            for i in range(self.one_of([0, 1, 2])):
                self.text += ", " if i else ""
                self.pair(path, depth - 1)
            self.text += " }"

    def pairs(self, path: KeyPath) -> None:
        for _ in range(self.one_of([0, 1, 3])):
            self.text += self.one_of(["", "\n", "  ", "# k8 = [\n"])
            self.pair(path, 2)
            self.text += self.one_of(["\n", " # [k9]\n"])

    def tables(self) -> None:
        self.pairs(())
        for name in ("a", "b"):
            self.places[(name,)] = self.line
            for i in range(self.one_of([1, 2])):
                self.places[(name, i)] = self.line
                self.text += self.one_of([f"[[{name}]]\n", f'[[ "{name}" ]] # [x]\n'])
                self.pairs((name, i))
                self.places[(name, i, "inner")] = self.line
                self.text += f"[{name}.inner]\n"
                self.pairs((name, i, "inner"))


@st.composite
def documents(draw: Any) -> Writer:
    writer = Writer(draw)
    writer.tables()
    return writer


@given(documents())
def test_every_key_is_found_on_its_line(written: Writer) -> None:
    tomllib.loads(written.text)
    paths = list(written.places)
    assert dict(zip(paths, lines(written.text, paths), strict=True)) == written.places


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("unknown",), 1),
        (("list", 1), 3),
        (("list", 7), 2),
        (("a", "b"), 6),
        (("a", "b", "missing", 3), 6),
        (("a", "b", "c", "d"), 7),
        (("many", 1, "more", 1, "x"), 14),
    ],
)
def test_what_is_not_there_is_told_at_what_is_above_it(path: KeyPath, line: int) -> None:
    text = """\
# first
list = [1,
    2,
    3,
]
[a.b]
c.d = 1
[[many]]
[[many]]
[[many.more]]
x = 1
[[many.more]]

x = 2
"""
    assert lines(text, [path]) == [line]


def test_windows_line_ends_count_once() -> None:
    assert lines("a = 1\r\n\r\nb = '''\r\n\r\n'''\r\nc = 1", [("b",), ("c",)]) == [3, 6]
