"""Why layers are made or reused, in words and for programs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamella.pipeline.explain.reasons import Reason


def said(reason: "Reason") -> str:
    """Why, in a few words."""
    if reason.known:
        return "unchanged" if reason.same else "made before"
    if reason.first:
        return "no previous image"
    if reason.same:
        return "compression changed" if reason.recompressed else "not in this cache"
    from lamella.pipeline.explain.compare import in_words

    return in_words(reason.difference)


def told(reason: "Reason") -> dict[str, Any]:
    """The same for programs."""
    found = reason.difference
    return {
        "why": said(reason),
        "changed": [package.id for package in found.changed],
        "added": [package.id for package in found.added],
        "moved": [] if reason.same else [package.id for package in found.moved],
    }
