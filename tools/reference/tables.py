"""Sections with the keys of a table, made from the declarations that the reader uses."""

from collections.abc import Iterator

import msgspec

from lamella.spec import kinds
from lamella.spec.fields import Fact, Value, facts

_UNITS = ((10**9, "GB"), (10**6, "MB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def section(title: str, kind: type[Value]) -> str:
    """Return the keys of `kind`, under a heading."""
    return "\n".join(_section(title, kind))


def tables(top: type[Value]) -> Iterator[tuple[str, type[Value]]]:
    """Yield every table below `top`, with its heading in a file, in the order of declaration.

    A table that occurs at several places is given at the first.
    """
    seen: set[type[Value]] = set()
    yield from _below(top, (), seen)


def default(value: object) -> str:
    """Return the default as text; empty if it is empty."""
    if value is msgspec.NODEFAULT:
        return "an error"
    if not value or isinstance(value, Value):
        return ""
    return f"`{msgspec.json.encode(value).decode()}`"


def cell(text: str) -> str:
    """Return `text` in the form for a table."""
    return text.replace("|", "\\|")


def _below(kind: type[Value], path: tuple[str, ...], seen: set[type[Value]]) -> Iterator[tuple[str, type[Value]]]:
    for fact in facts(kind):
        inner = fact.said.table or fact.said.each
        if inner and inner not in seen:
            seen.add(inner)
            name = ".".join((*path, fact.key))
            yield f"`[[{name}]]`" if fact.said.each else f"`[{name}]`", inner
            yield from _below(inner, (*path, fact.key), seen)


def _section(title: str, kind: type[Value]) -> Iterator[str]:
    yield f"## {title}\n\n{kind.summary}\n"
    yield "| key | meaning | if not given |"
    yield "| --- | --- | --- |"
    for fact in facts(kind):
        others = f" In OCI's words: `{fact.said.also[0]}`." if fact.said.also else ""
        yield f"| `{fact.key}` | {cell(fact.said.description + others)} | {_otherwise(fact)} |"
    yield ""


def _otherwise(fact: Fact) -> str:
    if fact.said.kind is kinds.size and fact.default:
        return f"`{_amount(fact.default)}`"
    return default(fact.default)


def _amount(count: int) -> str:
    """Return a number of bytes in the form for a file."""
    for unit, name in _UNITS:
        if count % unit == 0:
            return f'"{count // unit} {name}"'
    return str(count)
