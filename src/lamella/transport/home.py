"""The user's home folder. For users without one, as in many containers, it is `/`, as container runtimes have it."""

from collections.abc import Mapping
from pathlib import Path


def home(environment: Mapping[str, str]) -> Path:
    """The user's home folder."""
    return expanded(environment.get("HOME") or "~")


def expanded(path: str) -> Path:
    """`path`, with the home folder instead of its `~`."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path("/", *Path(path).parts[1:])
