"""Units of systemd, read."""

from pathlib import Path

Section = dict[str, list[str]]
_YES = {"yes": "true", "no": "false"}


def section(file: Path, name: str) -> Section:
    """The keys of a section, each with all that is said of it, word by word."""
    found: Section = {}
    inside = False
    for line in file.read_text().splitlines():
        if line.startswith("["):
            inside = line == f"[{name}]"
        elif inside and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).extend(_YES.get(word, word) for word in value.split())
    return found
