"""What changed between two images, what that costs who has the first and wants the second, and why a layer is new."""

from collections.abc import Sequence
from dataclasses import dataclass

from lamella.errors import shown
from lamella.package import Package
from lamella.pipeline.explain.view import ImageView, LayerView

_NAMED = 2


@dataclass(frozen=True)
class Difference:
    """How the packages of a layer differ from what an earlier image held, in whichever layer."""

    added: tuple[Package, ...] = ()
    changed: tuple[Package, ...] = ()
    """Other content under a name that was there."""
    moved: tuple[Package, ...] = ()
    """Content that was there, in other company or under other rules."""


NO_DIFFERENCE = Difference()


@dataclass(frozen=True)
class LayerChange:
    """A layer of the second image that the first one has not, and how its packages differ from the first's."""

    layer: LayerView
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    kept: tuple[LayerView, ...]
    new: tuple[LayerChange, ...]
    removed: tuple[Package, ...]

    @property
    def bytes_needed(self) -> int:
        """What has to be fetched; layers that are not made yet do not count."""
        return sum(change.layer.record.size for change in self.new if change.layer.record)


def compare(old: ImageView, new: ImageView) -> Comparison:
    """`new`, seen by who has `old`."""
    known = {layer.identity for layer in old.layers}
    staying = {package.name for package in new.packages.values()}
    return Comparison(
        tuple(layer for layer in new.layers if layer.identity in known),
        tuple(
            LayerChange(layer, difference(layer.packages, old)) for layer in new.layers if layer.identity not in known
        ),
        tuple(package for package in old.packages.values() if package.name not in staying),
    )


def difference(packages: Sequence[Package], old: ImageView) -> Difference:
    """How `packages` differ from those of `old`."""
    moved = tuple(p for p in packages if p.content in old.contents)
    fresh = [p for p in packages if p.content not in old.contents]
    return Difference(
        tuple(p for p in fresh if p.name not in old.names), tuple(p for p in fresh if p.name in old.names), moved
    )


def in_words(found: Difference) -> str:
    """`numpy, scipy and 3 more changed; six new`: why a layer is another one."""
    parts = [_some(found.changed, "changed"), _some(found.added, "new")]
    return "; ".join(part for part in parts if part) or "regrouped, or under other rules"


def _some(packages: Sequence[Package], word: str) -> str:
    """The largest by their names."""
    if not packages:
        return ""
    ordered = sorted(packages, key=lambda package: (-package.size, package.id))
    names = ", ".join(shown(package.name.encode(errors="replace")) for package in ordered[:_NAMED])
    more = f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else ""
    return f"{names}{more} {word}"
