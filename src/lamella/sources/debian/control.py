"""Stanzas, the format of Debian's metadata: `Field: value` lines, with empty lines between stanzas."""

import re
from collections.abc import Iterator

_FIELD = re.compile(r"^([A-Za-z][\w-]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)


def fields(stanza: str) -> dict[str, str]:
    """The fields of one stanza; continued lines keep their breaks."""
    return {match[1]: match[2].strip() for match in _FIELD.finditer(stanza)}


def stanzas(text: str) -> Iterator[str]:
    """The stanzas of `text`, not parsed."""
    return (part.strip("\n") for part in re.split(r"\n[ \t]*\n", text) if part.strip())
