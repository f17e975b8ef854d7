"""An image between step 4 and step 6: everything is decided, and nothing is made yet.

A spec that was planned and an `image.json` that was read both become a `Draft`, and one way leads on from there.
"""

from dataclasses import dataclass, field

from lamella.layering import Churn
from lamella.oci.image import Image, Layer
from lamella.oci.wire import Platform, RuntimeConfig
from lamella.plan import LayerPlan, Planned

EPOCH = "1970-01-01T00:00:00Z"


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
