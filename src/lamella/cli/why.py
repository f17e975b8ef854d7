"""The reasons of layers, in words and for programs."""

from typing import TYPE_CHECKING, Any

from lamella.cli import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.package import Package
    from lamella.pipeline.explain.reasons import Reason

_NAMED = 2


def said(reason: "Reason") -> str:
    """Why, in a few words."""
    if reason.known:
        return "as in the image before" if reason.same else "made before"
    if reason.first:
        return "no image before"
    if reason.same:
        return "made in another compression" if reason.recompressed else "unknown to this cache"
    found = reason.difference
    parts = [_some(found.changed, "changed"), _some(found.added, "new")]
    return "; ".join(part for part in parts if part) or "other company, or other rules"


def told(reason: "Reason") -> dict[str, Any]:
    """The same for programs."""
    found = reason.difference
    return {
        "why": said(reason),
        "changed": [package.id for package in found.changed],
        "added": [package.id for package in found.added],
        "moved": [] if reason.same else [package.id for package in found.moved],
    }


def _some(packages: "Sequence[Package]", word: str) -> str:
    """`numpy, scipy and 3 more changed`, the largest first."""
    if not packages:
        return ""
    names = [show.printable(p.name) for p in sorted(packages, key=lambda p: (-p.size, p.id))]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more} {word}"
