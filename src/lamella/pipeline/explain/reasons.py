"""Why a layer is reused or made: what the image before this one, and the cache, tell of it."""

from dataclasses import dataclass

from lamella.pipeline.draft import Draft
from lamella.pipeline.explain.compare import NO_DIFFERENCE, Difference, difference
from lamella.pipeline.explain.view import of_document
from lamella.plan import key


@dataclass(frozen=True)
class Reason:
    """`known` layers are reused, and others made; what the image before has to do with it."""

    known: bool
    first: bool = False
    """There is no previous image."""
    same: bool = False
    """The image before has a layer of the same packages under the same rules."""
    recompressed: bool = False
    """The image before was compressed in another way."""
    difference: Difference = NO_DIFFERENCE


def reasons(draft: Draft) -> tuple[Reason, ...]:
    """For each layer of `draft` why it is reused or has to be made."""
    if draft.previous is None:
        return tuple(Reason(planned.record is not None, first=True) for planned in draft.layers)
    before = of_document(draft.previous, "the image before")
    layers = {key(layer.plan.parts, "") for layer in before.layers if layer.plan}
    notes = draft.previous.lamella
    recompressed = notes is not None and notes.compression != draft.compression
    return tuple(
        Reason(
            planned.record is not None,
            same=key(planned.plan.parts, "") in layers,
            recompressed=recompressed,
            difference=difference(planned.plan.packages, before),
        )
        for planned in draft.layers
    )
