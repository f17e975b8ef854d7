"""The kinds of places that packages or specs come from: a folder, a git repository, a channel, or a flake."""

import re
from typing import Literal

from lamella.spec import kinds
from lamella.spec.problems import wrong

OriginKind = Literal["folder", "git", "channel", "flake"]

COMMIT = re.compile(r"[0-9a-f]{40}")
_URL = re.compile(r"(?P<scheme>https?|ssh|git|file)://[^\s-]\S*")
_OVER_SSH = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:[^\s-]\S*")
_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_FLAKE = re.compile(r"(?!(?:https?|ssh|git|file):)[A-Za-z][\w+.-]*[:/]\S+")


def origin_of(text: str) -> OriginKind | None:
    """Return what `text` is; None if it is none of these."""
    if text.startswith("/"):
        return "folder"
    if _URL.fullmatch(text) or _OVER_SSH.fullmatch(text):
        return "git"
    if _CHANNEL.fullmatch(text):
        return "channel"
    return "flake" if _FLAKE.fullmatch(text) else None


def scheme_of(url: str) -> str:
    """Return the protocol of a git repository's address."""
    match = _URL.fullmatch(url)
    return match["scheme"] if match else "ssh"


def _check(value: str) -> str:
    if origin_of(value) is None or ".." in value.split("/"):
        raise wrong(
            f'"{value}" is not an absolute folder, the address of a git repository, a channel such as nixos-24.11, '
            "or a flake"
        )
    return value


written = kinds.text(_check)
"""The kind of a setting that holds such a place."""
