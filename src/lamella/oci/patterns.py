"""Patterns for names: `*` matches any characters except `/`, `**` any characters; everything else matches itself."""

import re
from functools import cache

_STAR = re.compile(r"(\*\*?)")
_STARS = {"*": "[^/]*", "**": ".*"}


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_STARS.get(part) or re.escape(part) for part in _STAR.split(pattern)), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` matches all of `text`."""
    return _regex(pattern).fullmatch(text) is not None
