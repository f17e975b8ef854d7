"""Alternatives: of several packages with the same kind of program, the most important gets the common name."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

import msgspec

_CALL = re.compile(r"update-alternatives\s+(?:--quiet\s+)?(--install\s[^\n;&|]*)")
_NOT_WANTED = ("/usr/share/man/", "/usr/share/info/")


class Alternative(msgspec.Struct, frozen=True, array_like=True):
    """One candidate for the name `link`, with its slaves (`others`: link, name, path)."""

    link: str
    name: str
    path: str
    priority: int
    others: tuple[tuple[str, str, str], ...] = ()


def read(script: bytes) -> list[Alternative]:
    """The alternatives that a maintainer's script sets up in literal commands."""
    text = script.decode("utf-8", "replace").replace("\\\n", " ")
    return [found for match in _CALL.finditer(text) for found in _said(match[1])]


def _said(call: str) -> Iterator[Alternative]:
    try:
        words = shlex.split(call)
    except ValueError:
        return
    own, *rest = _groups(words)
    if len(own) != 5 or not own[4].lstrip("-").isdigit() or any("$" in word for word in words):
        return
    others = tuple((group[1], group[2], group[3]) for group in rest if group[0] == "--slave" and len(group) == 4)
    yield Alternative(own[1], own[2], own[3], int(own[4]), others)


def _groups(words: Sequence[str]) -> list[list[str]]:
    """The words in groups, each of which starts with a `--` word."""
    found: list[list[str]] = []
    for word in words:
        if word.startswith("--"):
            found.append([])
        found[-1].append(word)
    return found


def chosen(told: Mapping[str, Sequence[Alternative]]) -> dict[str, tuple[tuple[str, str], ...]]:
    """The links by package: for each name, the alternative with the highest priority, then the first package."""
    best: dict[str, tuple[int, str, Alternative]] = {}
    for package in sorted(told):
        for one in told[package]:
            if one.name not in best or one.priority > best[one.name][0]:
                best[one.name] = (one.priority, package, one)
    made: dict[str, list[tuple[str, str]]] = {}
    for _, package, one in best.values():
        made.setdefault(package, []).extend(links(one))
    return {package: tuple(sorted(found)) for package, found in made.items()}


def links(one: Alternative) -> Iterator[tuple[str, str]]:
    """The links of an alternative, with their targets."""
    for link, name, path in ((one.link, one.name, one.path), *one.others):
        if not link.startswith(_NOT_WANTED):
            yield link, f"/etc/alternatives/{name}"
            yield f"/etc/alternatives/{name}", path
