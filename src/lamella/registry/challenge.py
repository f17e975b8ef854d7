"""What a registry demands of its clients: the challenges in its `WWW-Authenticate` header (RFC 9110, 11.6.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*,?')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?:\s+|$|,)")


@dataclass(frozen=True)
class Challenge:
    """A scheme (`basic`, `bearer`, in lower case) and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def challenges(header: str) -> list[Challenge]:
    """All challenges in a header, or in several joined by commas; an unreadable part ends the list."""
    found = []
    at = 0
    while match := _SCHEME.match(header, at):
        at = match.end()
        parameters = {}
        while told := _PARAMETER.match(header, at):
            quoted, plain = told[2], told[3]
            parameters[told[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            at = told.end()
        found.append(Challenge(match[1].lower(), parameters))
    return found
