"""What changed between two images, and what that costs who has the first and wants the second."""

from dataclasses import dataclass

from lamella.oci.digest import Digest
from lamella.package import Package
from lamella.pipeline.view import ImageView, LayerView


@dataclass(frozen=True)
class LayerChange:
    """A layer of the second image that the first one has not, and how its packages differ from the first's."""

    layer: LayerView
    added: tuple[Package, ...]
    changed: tuple[Package, ...]
    moved: tuple[Package, ...]
    """Packages that lay in another layer of the first image."""


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
    contents = {package.content for package in old.packages.values()}
    names = {package.name for package in old.packages.values()}
    fresh = [layer for layer in new.layers if layer.identity not in known]
    staying = {package.name for package in new.packages.values()}
    return Comparison(
        tuple(layer for layer in new.layers if layer.identity in known),
        tuple(_change(layer, contents, names) for layer in fresh),
        tuple(package for package in old.packages.values() if package.name not in staying),
    )


def _change(layer: LayerView, contents: set[Digest], names: set[str]) -> LayerChange:
    packages = layer.packages
    return LayerChange(
        layer,
        tuple(p for p in packages if p.content not in contents and p.name not in names),
        tuple(p for p in packages if p.content not in contents and p.name in names),
        tuple(p for p in packages if p.content in contents),
    )
