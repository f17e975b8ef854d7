"""Finds the lines of keys in a TOML text, which Python's reader does not tell.

It is only given texts that were read without an error, so it looks only for structure: keys, tables, lists, and where
each value ends.
"""

import re
import tomllib
from collections.abc import Sequence

from lamella.spec.problems import KeyPath

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|\'[^\']*\'')
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_VALUE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'" r"|[^,\]}#\n]+",
    re.DOTALL,
)


def lines(text: str, paths: Sequence[KeyPath]) -> list[int]:
    """The line number, from 1, of each of `paths`, or of the nearest key above it that is in the text."""
    found = _Walk(text).found
    starts = [next((found[path[:i]] for i in range(len(path), -1, -1) if path[:i] in found), 0) for path in paths]
    return [text.count("\n", 0, start) + 1 for start in starts]


class _Walk:
    """One pass over the text; `found` has the offset at which each path first appears."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counts: dict[KeyPath, int] = {}
        self.found: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._next():
            table = self._header() if self._next() == "[" else self._pair(table)

    def _next(self) -> str:
        """The next character after spaces and comments."""
        self._skip(_SPACE)
        return self._text[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _keys(self) -> list[str]:
        keys = []
        while True:
            keys.append(_unquoted(self._skip(_KEY)))
            if not self._skip(_DOT):
                return keys

    def _header(self) -> KeyPath:
        start = self._at
        is_list = self._text.startswith("[[", start)
        self._at += 1 + is_list
        self._next()
        path: KeyPath = ()
        keys = self._keys()
        for i, key in enumerate(keys):
            path = (*path, key)
            self.found.setdefault(path, start)
            if i == len(keys) - 1 and is_list:
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        self.found.setdefault(path, start)
        self._next()
        self._at += 1 + is_list
        return path

    def _pair(self, table: KeyPath) -> KeyPath:
        start = self._at
        path = table
        for key in self._keys():
            path = (*path, key)
            self.found.setdefault(path, start)
        self._next()
        self._at += 1
        self._value(path)
        return table

    def _value(self, path: KeyPath) -> None:
        opening = self._next()
        if opening not in ("[", "{"):
            self._skip(_VALUE)
            return
        self._at += 1
        count = 0
        while self._next() not in ("]", "}"):
            if opening == "{":
                self._pair(path)
            else:
                self.found[(*path, count)] = self._at
                self._value((*path, count))
                count += 1
            if self._next() == ",":
                self._at += 1
        self._at += 1


def _unquoted(key: str) -> str:
    if key.startswith('"'):
        return str(tomllib.loads(f"key = {key}")["key"])
    return key[1:-1] if key.startswith("'") else key
