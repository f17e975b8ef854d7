"""Why a layer is reused or made, from the previous image and the cache."""

from dataclasses import dataclass

from lamella.pipeline.draft import Draft
from lamella.pipeline.explain.compare import NO_DIFFERENCE, Difference, difference
from lamella.pipeline.explain.view import of_document
from lamella.plan import key


@dataclass(frozen=True)
class Reason:
    """`known` layers are reused, others are made; and how that relates to the previous image."""

    known: bool
    first: bool = False
    """There is no previous image."""
    same: bool = False
    """The previous image has a layer of the same packages under the same rules."""
    recompressed: bool = False
    """The previous image has a different compression."""
    difference: Difference = NO_DIFFERENCE


def reasons(draft: Draft) -> tuple[Reason, ...]:
    """Return for each layer of `draft` why it is reused or has to be made."""
    if draft.previous is None:
        return tuple(Reason(planned.record is not None, first=True) for planned in draft.layers)
    before = of_document(draft.previous, "the previous image")
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
