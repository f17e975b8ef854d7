"""As much of the Nix language as needed to find the arguments of fetchers: strings, comments, sets and bindings.

Only names of strings in the same file are evaluated: `version = "1.0"` and then `"${pname}-${version}"`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*|/\*.*?\*/)
      |(?P<string>"(?:\\.|\$\{[^}]*\}|[^"\\])*"|''(?:''(?:\$|\\.|')|\$\{[^}]*\}|(?!'').)*'')
      |(?P<word>[A-Za-z_][A-Za-z0-9_'.-]*)
      |(?P<url>[a-z][a-z+]*://[^\s;"]+)
      |(?P<mark>\$\{|[{}()\[\];=])
      |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_INSERTED = re.compile(r"\$\{\s*([A-Za-z_][A-Za-z0-9_'.-]*)\s*\}")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Value:
    """The right side of `=`, up to the semicolon."""

    tokens: tuple[Token, ...]

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def end(self) -> int:
        return self.tokens[-1].end


@dataclass
class Scope:
    """A set in braces, or a `let`; `called` is the word before a set, which may be a function."""

    called: str
    start: int
    parent: "Scope | None"
    bindings: dict[str, Value] = field(default_factory=dict)
    inherited: set[str] = field(default_factory=set)

    def text(self, name: str) -> str | None:
        """The string that a name in this set stands for, if it can be determined."""
        if name in self.bindings or name not in self.inherited:
            return self._own(name, frozenset())
        return self.parent.looked_up(name) if self.parent else None

    def looked_up(self, name: str, seen: frozenset[Value] = frozenset()) -> str | None:
        """The string that a name stands for in the nearest scope that has it."""
        scope: Scope | None = self
        while scope:
            if name in scope.bindings and scope.bindings[name] not in seen:
                return scope._own(name, seen)
            scope = scope.parent
        return None

    def _own(self, name: str, seen: frozenset[Value]) -> str | None:
        value = self.bindings.get(name)
        return self._evaluated(value, seen | {value}) if value else None

    def _evaluated(self, value: Value, seen: frozenset[Value]) -> str | None:
        if len(value.tokens) != 1:
            return None
        token = value.tokens[0]
        if token.kind == "word":
            return token.text if token.text in ("true", "false") else self.looked_up(_last(token.text), seen)
        if token.kind == "url":
            return token.text
        if token.kind != "string":
            return None
        quoted = token.text.startswith('"')
        text = token.text[1:-1] if quoted else token.text[2:-2]
        known = {name: self.looked_up(_last(name), seen) for name in _INSERTED.findall(text)}
        text = _INSERTED.sub(lambda match: known[match[1]] or match[0], text)
        if "${" in text:
            return None
        return _ESCAPED.sub(r"\1", text) if quoted else text.strip()


class _Frame:
    """An open bracket: what closes it, its bindings, and the scope of names in it."""

    def __init__(self, closing: str, own: Scope | None, outer: Scope | None) -> None:
        self.closing = closing
        self.own = own
        self.usual = self.visible = own or outer


_CLOSING = {"{": "}", "let": "in", "(": ")", "[": "]", "${": "}"}


def scopes(text: str) -> list[Scope]:
    """All sets and `let` bindings of a file."""
    tokens = [token for token in _tokens(text) if token.kind != "space"]
    found: list[Scope] = []
    frames = [_Frame("", None, None)]
    called = ""
    for number, token in enumerate(tokens):
        top = frames[-1]
        if token.text in _CLOSING:
            own = None
            if token.text in ("{", "let"):
                own = Scope(called if token.text == "{" else "", token.start, top.visible)
                found.append(own)
            frames.append(_Frame(_CLOSING[token.text], own, top.visible))
        elif token.text == top.closing:
            frames.pop()
            if token.text == "in":  # the bindings are visible in the body
                frames[-1].visible = top.own
        elif token.text == ";":
            top.visible = top.usual
        elif top.own and token.text == "=" and number and tokens[number - 1].kind in ("word", "string"):
            value = _value(tokens, number + 1)
            if value:
                top.own.bindings[tokens[number - 1].text.strip('"')] = value
        elif top.own and token.text == "inherit":
            top.own.inherited |= set(_inherited(tokens, number + 1))
        if token.text != "rec":
            called = token.text if token.kind == "word" else ""
    return found


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        yield Token(match.lastgroup or "", match[0], match.start(), match.end())


def _value(tokens: list[Token], start: int) -> Value | None:
    """The tokens up to the semicolon that ends them."""
    depth = 0
    for end in range(start, len(tokens)):
        text = tokens[end].text
        depth += (text in ("{", "(", "[", "${", "let")) - (text in ("}", ")", "]", "in"))
        if depth < 0 or (text == ";" and depth == 0):
            return Value(tuple(tokens[start:end])) if end > start else None
    return None


def _inherited(tokens: list[Token], start: int) -> Iterator[str]:
    for token in tokens[start:]:
        if token.text in (";", "("):
            return
        yield token.text


def _last(name: str) -> str:
    """The last part of a name such as `finalAttrs.version`."""
    return name.rpartition(".")[2]
