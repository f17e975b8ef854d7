"""Patterns of file names, as regular expressions over the bytes of paths."""

import re

_GLOB = re.compile(r"(?P<folders>\*\*/)|(?P<all>\*\*)|(?P<some>\*)|(?P<one>\?)|\[(?P<not>!)?(?P<set>[^\]]+)\]|(?s:.)")

_CHARACTER = r"(?:[^/\x80-\xff]|[\xc0-\xff][\x80-\xbf]*)"
"""One UTF-8 character except `/`."""


def as_regex(glob: str) -> str:
    """Matches whole paths, relative to the folder of `glob`. A pattern without a `/` matches at every depth."""
    anywhere = "" if "/" in glob.rstrip("/") else "(?:.*/)?"
    return anywhere + _GLOB.sub(_translated, glob.strip("/"))


def _translated(match: re.Match[str]) -> str:
    if match["set"]:
        chosen = re.sub(r"([\\\[\]^&|~])", r"\\\1", match["set"])
        return f"(?![{chosen}]){_CHARACTER}" if match["not"] else f"[{chosen}]"
    simple = {"folders": "(?:.*/)?", "all": ".*", "some": "[^/]*", "one": _CHARACTER}
    return simple[match.lastgroup] if match.lastgroup else re.escape(match[0])
