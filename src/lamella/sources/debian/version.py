"""Versions of Debian packages, compared as dpkg does: `epoch:upstream-revision`."""

import re
from functools import cache

_PART = re.compile(r"(\D*)(\d*)")


def _order(sign: str) -> int:
    """Letters come before all else, and `~` before the end of the text."""
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 256


def _key(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Sorts as dpkg does: by turns what is no digit, sign by sign, and numbers."""
    parts = []
    for match in _PART.finditer(text):
        if not match[0]:
            break
        parts.append(((*map(_order, match[1]), 0), int(match[2] or 0)))
    return (*parts, ((0,), 0))


@cache
def version_key(version: str) -> tuple[object, ...]:
    """A value that sorts as `version` does among others."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch) if epoch.isdigit() else 0, _key(upstream), _key(revision)


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether `version` stands in `relation` (`>=`, `<<`, ...) to `wanted`; none is satisfied by all."""
    if not relation:
        return True
    one, other = version_key(version), version_key(wanted)
    return {
        "<<": one < other,
        "<=": one <= other,
        "=": one == other,
        ">=": one >= other,
        ">>": one > other,
        "<": one <= other,
        ">": one >= other,
    }[relation]
