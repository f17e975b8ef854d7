"""Versions of Debian packages, compared as dpkg does: `epoch:upstream-revision`."""

import re
from functools import cache

_PART = re.compile(r"(\D*)(\d*)")


def _order(sign: str) -> int:
    """Letters come before other characters, and `~` before the end of the text."""
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 256


def _key(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Sorts as dpkg does: alternating non-digits, compared character by character, and numbers."""
    parts = []
    for match in _PART.finditer(text):
        if not match[0]:
            break
        parts.append(((*map(_order, match[1]), 0), int(match[2] or 0)))
    return (*parts, ((0,), 0))


@cache
def version_key(version: str) -> tuple[object, ...]:
    """A sort key for `version`."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch) if epoch.isdigit() else 0, _key(upstream), _key(revision)


def satisfies(version: str, relation: str, wanted: str) -> bool:
    """Whether `version` is in `relation` (`>=`, `<<`, ...) to `wanted`; true without a relation."""
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
