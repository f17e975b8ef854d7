"""Images between step 4 and step 6: a `Draft`, where everything is decided and nothing is made, and the `Built` image.

A spec that is planned and an `image.json` that is read both become a `Draft`; from there on they are treated the same.
"""

import re
from dataclasses import dataclass, field, replace

from lamella.destinations.destination import Destination
from lamella.destinations.publish import Published
from lamella.errors import LamellaError
from lamella.images.document import ImageItem
from lamella.layering import Churn
from lamella.oci.image import Image, Layer
from lamella.oci.wire import EPOCH, Platform, RuntimeConfig
from lamella.plan import LayerPlan, Planned


class NoLayerError(LamellaError):
    """The image has no layer of that name."""

    exit_code = 2


@dataclass(frozen=True)
class Where:
    """How packages get here, if the spec says: archives of debs, caches of store paths, and whether wheels are built.

    No wheels are built for images from a registry, because anyone may have made them.
    """

    archives: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    builds: bool = False


@dataclass(frozen=True)
class Draft:
    """A planned image. Its `layers` come on top of those of the `base`."""

    name: str
    tag: str
    platform: Platform
    runtime: RuntimeConfig
    compression: str
    layers: tuple[Planned, ...]
    created: str = EPOCH
    base: Image | None = None
    base_place: str = ""
    annotations: dict[str, str] = field(default_factory=dict)
    churn: Churn = field(default_factory=Churn)
    saved: int = 0
    """Bytes saved because layers do not repeat packages of lower ones."""
    previous: ImageItem | None = None
    """The previous image, if one is known."""
    where: Where = Where()

    @property
    def groups(self) -> list[str]:
        """For each layer, what the spec calls it: it may be one of several that were split."""
        return [planned.plan.group for planned in self.layers]

    def only(self, layer: str, *, below: bool) -> "Draft":
        """The layer of that name as an image of its own, the same bytes as in the whole; or the image up to it."""
        groups = self.groups
        if layer not in groups:
            there = ", ".join(dict.fromkeys(groups))
            raise NoLayerError(f"{self.name} has no layer {layer!r} with packages of its own; there are: {there}")
        first = 0 if below else groups.index(layer)
        last = len(groups) - groups[::-1].index(layer)
        return replace(
            self,
            name=f"{self.name}-{slug(layer)}",
            layers=self.layers[first:last],
            base=self.base if below else None,
            base_place=self.base_place if below else "",
            saved=0,
        )


@dataclass(frozen=True)
class Target:
    """Where a built image goes, and its name there; the default is its tag. With `named` false it gets no name.

    `form` is the manifest's form; empty for OCI.
    """

    destination: Destination
    name: str = ""
    named: bool = True
    form: str = ""


@dataclass(frozen=True)
class BuiltLayer:
    """A layer of a built image, above the base; `made` says that its files were read in this run."""

    plan: LayerPlan
    layer: Layer
    made: bool


@dataclass(frozen=True)
class Built:
    """A finished image."""

    draft: Draft
    image: Image
    layers: tuple[BuiltLayer, ...]
    published: tuple[Published, ...] = ()
    """The result for each target."""


def slug(text: str) -> str:
    """Return `text` as part of the name of an image or a file."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-") or "layer"
