"""Numbers and texts in a form for people."""

import re

from lamella.words import plural

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that control a terminal, or change the direction of the text after them."""
_STEPS = ((60.0, "s"), (60.0, "min"), (24.0, "h"))


def duration(seconds: float) -> str:
    """`0.3 s`, `42 s`, `5 min`, `3 h`, `12 days`."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    value = seconds
    for step, unit in _STEPS:
        if value < step:
            return f"{value:.0f} {unit}"
        value /= step
    return plural(round(value), "day")


def ago(seconds: float) -> str:
    """Return how long ago something happened."""
    return "just now" if seconds < 10 else f"{duration(seconds)} ago"


def rate(hits: int, misses: int) -> str:
    """Return the share of hits as a percentage."""
    asked = hits + misses
    return f"{hits / asked:.0%}" if asked else "-"


def plain(text: str) -> str:
    """Return `text` with characters that control a terminal or the direction of text spelled out."""
    return _CONTROLS.sub(lambda match: _spelled(match[0]), text)


def plain_lines(text: str) -> str:
    """The same, except for line ends and tabs."""
    return _CONTROLS.sub(lambda match: match[0] if match[0] in "\n\t" else _spelled(match[0]), text)


def _spelled(sign: str) -> str:
    return f"\\u{ord(sign):04x}"
