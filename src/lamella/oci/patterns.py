"""Patterns of names: `*` stands for any characters but `/`, `**` for any characters; all else stands for itself."""

import re
from functools import cache

_STAR = re.compile(r"(\*\*?)")
_STARS = {"*": "[^/]*", "**": ".*"}


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_STARS.get(part) or re.escape(part) for part in _STAR.split(pattern)), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is true of the whole of `text`."""
    return _regex(pattern).fullmatch(text) is not None
