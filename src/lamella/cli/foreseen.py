"""What a push would do with each layer at each place, as `lamella push --dry-run` shows it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from lamella.cli import show, why
from lamella.cli.images import Wanted, image_at, spooled, target_at
from lamella.cli.pushing import Aim, drafted, platforms_of
from lamella.oci.reference import parse_place, reference_of

if TYPE_CHECKING:
    from lamella.oci.image import Record
    from lamella.pipeline.workplace import Workplace


class _Layer(NamedTuple):
    """A layer of a push; its size is that before compression, unless its record is known."""

    name: str
    record: "Record | None"
    size: int
    why: str


def foreseen(image: str, aim: Aim, wanted: Wanted, workplace: "Workplace") -> list[dict[str, Any]]:
    """Return what a push would do; nothing is written to any place."""
    from lamella.oci.wire import Descriptor

    text = str(spooled(parse_place(image), workplace))
    platforms = [wanted.platform] if wanted.platform else platforms_of(text, workplace)
    images = [_layers(text, aim, replace(wanted, platform=platform), workplace) for platform in platforms]
    found: list[dict[str, Any]] = []
    for place in aim.places:
        destination = target_at(str(place), workplace).destination
        for platform, layers in images:
            for name, record, size, said in layers:
                word = "make and upload"
                if record:
                    blob = Descriptor(media_type=record.media_type, digest=record.digest, size=record.size)
                    word = "exists" if destination.has(blob) else "upload"
                told = {"name": name, "size": record.size if record else size, "state": word, "why": said}
                found.append({"reference": str(reference_of(place)), "platform": platform, **told})
    return found


def lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return the same as a table; it names the platforms if there are several."""
    several = len({one["platform"] for one in found}) > 1
    rows = [
        (
            one["reference"],
            *([one["platform"]] if several else []),
            show.printable(one["name"]),
            show.size(one["size"]),
            one["state"],
            one["why"],
        )
        for one in found
    ]
    return show.table(rows, right=(3 if several else 2,))


def _layers(text: str, aim: Aim, wanted: Wanted, workplace: "Workplace") -> tuple[str, list[_Layer]]:
    """Return the platform of an image, and its layers."""
    from lamella.oci.platforms import spelled
    from lamella.pipeline import find
    from lamella.pipeline.explain.reasons import reasons

    if find.is_bytes(parse_place(text)):
        image = image_at(text, workplace, wanted).image
        known = [(layer.name or show.short(layer.record.digest), layer.record) for layer in image.layers]
        return spelled(image.platform), [_Layer(name, record, record.size, "") for name, record in known]
    draft, _ = drafted(text, aim, wanted, workplace)
    return spelled(draft.platform), [
        _Layer(planned.plan.name, planned.record, planned.plan.size, why.said(reason))
        for planned, reason in zip(draft.layers, reasons(draft), strict=True)
    ]
