"""What changed between two images, what users of the first one download for the second, and why layers are new."""

from collections.abc import Sequence
from dataclasses import dataclass

from lamella.errors import shown
from lamella.package import Package
from lamella.pipeline.explain.view import ImageView, LayerView

_NAMED = 2


@dataclass(frozen=True)
class Difference:
    """How the packages of a layer differ from those of an earlier image, in any layer."""

    added: tuple[Package, ...] = ()
    changed: tuple[Package, ...] = ()
    """Packages whose name existed, with different content."""
    moved: tuple[Package, ...] = ()
    """Packages whose content existed, in a layer of other packages or under other rules."""


NO_DIFFERENCE = Difference()


@dataclass(frozen=True)
class LayerChange:
    """A layer that only the second image has, and how its packages differ from the first one's."""

    layer: LayerView
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    kept: tuple[LayerView, ...]
    new: tuple[LayerChange, ...]
    removed: tuple[Package, ...]

    @property
    def bytes_needed(self) -> int:
        """How much has to be downloaded; layers that are not made yet do not count."""
        return sum(change.layer.record.size for change in self.new if change.layer.record)


def compare(old: ImageView, new: ImageView) -> Comparison:
    """Compare `new` with `old`, for users who have `old`."""
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
    """Return how `packages` differ from those of `old`."""
    moved = tuple(p for p in packages if p.content in old.contents)
    fresh = [p for p in packages if p.content not in old.contents]
    return Difference(
        tuple(p for p in fresh if p.name not in old.names), tuple(p for p in fresh if p.name in old.names), moved
    )


def in_words(found: Difference) -> str:
    """Return why a layer is new, such as `numpy, scipy and 3 more changed; six new`."""
    parts = [_some(found.changed, "changed"), _some(found.added, "new")]
    return "; ".join(part for part in parts if part) or "regrouped, or under other rules"


def _some(packages: Sequence[Package], word: str) -> str:
    """The names of the largest packages."""
    if not packages:
        return ""
    ordered = sorted(packages, key=lambda package: (-package.size, package.id))
    names = ", ".join(shown(package.name.encode(errors="replace")) for package in ordered[:_NAMED])
    more = f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else ""
    return f"{names}{more} {word}"
