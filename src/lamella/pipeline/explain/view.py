"""What is known about an image without its bytes: the layers with their packages, wherever it comes from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lamella.closure import Closure, reachable
from lamella.images.document import ImageItem, ImageNotes, plan_of, platform_of, record_of
from lamella.oci.digest import Digest
from lamella.oci.image import Image, Record
from lamella.oci.wire import Platform, RuntimeConfig
from lamella.package import Package
from lamella.pipeline.draft import Draft
from lamella.pipeline.memory.registries import name_of
from lamella.plan import LayerPlan


@dataclass(frozen=True)
class LayerView:
    """A layer; `plan` is None if only its bytes are known, `record` is None if it has not been made."""

    name: str
    record: Record | None
    plan: LayerPlan | None = None

    @property
    def packages(self) -> Sequence[Package]:
        return self.plan.packages if self.plan else ()

    @property
    def identity(self) -> str:
        """Equal for layers that are the same for a registry, or for a machine that has one of them."""
        return self.record.diff_id if self.record else f"not made: {self.name}"


@dataclass(frozen=True)
class ImageView:
    name: str
    tag: str
    platform: Platform
    runtime: RuntimeConfig
    layers: tuple[LayerView, ...]
    created: str = ""

    @cached_property
    def packages(self) -> Mapping[str, Package]:
        """By id, without references to packages outside of the image, which exist if this is a part of one."""
        found = {package.id: package for layer in self.layers for package in layer.packages}
        return {
            name: replace(package, references=tuple(to for to in package.references if to in found))
            for name, package in found.items()
        }

    @cached_property
    def contents(self) -> frozenset[Digest]:
        return frozenset(package.content for package in self.packages.values())

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(package.name for package in self.packages.values())

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}" if self.name and self.tag else self.name or self.tag


def of_draft(draft: Draft) -> ImageView:
    """Return the view of a planned image. Layers that have been made have a record."""
    own = [LayerView(planned.plan.name, planned.record, planned.plan) for planned in draft.layers]
    return ImageView(draft.name, draft.tag, draft.platform, draft.runtime, (*_base(draft.base), *own), draft.created)


def of_image(image: Image, name: str = "", told: ImageItem | None = None) -> ImageView:
    """Return the view of an image in a registry, a layout or an archive, and of its document if it has one (`told`)."""
    config = image.config
    layers = tuple(_base(image))
    if told:
        noted = of_document(told, name).layers
        layers = tuple(replace(note, record=own.record) for note, own in zip(noted, layers, strict=True))
    return ImageView(name, "", config.platform, config.config, layers, config.created)


def of_document(item: ImageItem, origin: str) -> ImageView:
    """Return the view of an image that an `image.json` describes."""
    layers = []
    for position, layer in enumerate(item.layers or ()):
        plan = plan_of(layer, position, origin)
        blob = layer.lamella.blob if layer.lamella and layer.lamella.blob else None
        record = blob or record_of(layer)
        layers.append(LayerView(plan.name, record, plan if plan.parts else None))
    notes = item.lamella or ImageNotes()
    platform, created = platform_of(item), item.created or ""
    return ImageView(notes.name, notes.tag, platform, item.image_config, tuple(layers), created)


def closure_of(view: ImageView) -> Closure:
    """Return the closure of all packages; the roots are those that no other refers to."""
    packages = tuple(view.packages.values())
    referred = {to for package in packages for to in package.references if to != package.id}
    return Closure(packages, tuple(package.id for package in packages if package.id not in referred))


def graph_of(view: ImageView) -> list[dict[str, Any]]:
    """Return all packages in the format of Nix's `exportReferencesGraph` and the spec's `graph`."""
    packages, whole = view.packages, closure_of(view)
    return [
        {
            "path": package.id,
            "references": sorted(package.references),
            "narSize": package.size,
            "closureSize": sum(packages[name].size for name in reachable(whole, [package.id])),
        }
        for package in sorted(packages.values(), key=lambda package: package.id)
    ]


def _base(image: Image | None) -> Iterable[LayerView]:
    for position, layer in enumerate(image.layers if image else ()):
        yield LayerView(name_of(layer) or f"layer {position}", layer.record)
