"""An image between step 4 and step 6: everything is decided, and nothing is made yet.

A spec that was planned and an `image.json` that was read both become a `Draft`, and one way leads on from there.
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
    """A layer is asked for that the image does not have."""

    exit_code = 2


@dataclass(frozen=True)
class Where:
    """How packages may be had, if the spec says: archives of debs, caches of store paths, and whether wheels are built.

    Nothing is built of what an image in a registry tells of itself, for anybody may have made it.
    """

    archives: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    builds: bool = False


@dataclass(frozen=True)
class Draft:
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
    """Bytes that would lie in the image more than once if layers were not chained."""
    previous: ImageItem | None = None
    """The image before this one, as far as one is known."""
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
            raise NoLayerError(f"{self.name} has no layer {layer!r} with anything of its own in it; there are: {there}")
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
    """Where a built image goes, and its name there; without one it is the image's tag. Some get none.

    `form` is that of the manifest, where it is not OCI's.
    """

    destination: Destination
    name: str = ""
    named: bool = True
    form: str = ""


@dataclass(frozen=True)
class BuiltLayer:
    """A layer of ours as it is in the image; `made` says that its files were read in this run."""

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
    """What became of it at each target."""


def slug(text: str) -> str:
    """`text` as part of the name of an image or a file."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-") or "layer"
