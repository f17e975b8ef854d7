"""Publishes images at places: a single image, or one for each platform of what the user names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lamella.cli.common import draft_at, is_document
from lamella.cli.images import Found, Wanted, image_at, spooled, target_at
from lamella.oci.reference import DIR, DOCKER, OCI, OCI_ARCHIVE, Place, Reference, parse_place, place_of, reference_of

if TYPE_CHECKING:
    from lamella.destinations.publish import Published
    from lamella.pipeline.draft import Draft, Target
    from lamella.pipeline.explain.reasons import Reason
    from lamella.pipeline.workplace import Workplace


class Brought(NamedTuple):
    """An image that is now at all its places; that of a recipe has its draft, and a reason for each layer of ours."""

    found: Found
    published: "tuple[Published, ...]"
    draft: "Draft | None" = None
    reasons: "Sequence[Reason]" = ()


@dataclass(frozen=True)
class Aim:
    """Where images go, and which other images may have their blobs and describe their layers."""

    places: Sequence[Place]
    memory: Sequence[Reference] = ()
    previous: Path | None = None
    told: Callable[[str], None] = lambda _: None

    @property
    def beside(self) -> list[Reference]:
        """All references in registries."""
        return [*(reference_of(place) for place in self.places if place.kind == DOCKER), *self.memory]

    def targets(self, place: "Workplace", wanted: Wanted, more: Sequence[Place] = (), *, named: bool) -> "list[Target]":
        """Return the places, ready to be written to."""
        sources = [*map(place_of, self.beside), *more]
        found = [target_at(str(one), place, sources) for one in self.places]
        return [replace(target, named=named, form=wanted.form) for target in found]


def platforms_of(text: str, workplace: "Workplace") -> list[str]:
    """Return the platforms of the images that `text` names; a single empty one if it names none."""
    from lamella.oci import media
    from lamella.oci.platforms import spelled
    from lamella.oci.wire import Index, decode
    from lamella.pipeline import find
    from lamella.spec.reader import read

    place = parse_place(text)
    if not find.is_bytes(place):
        named = [] if is_document(Path(text)) else read(Path(text)).image.platforms
        return list(named) or [""]
    if place.kind not in (DOCKER, OCI, OCI_ARCHIVE, DIR):
        return [""]
    root, data = find.open_parcel(place, workplace.outside).documents[-1]
    if root.media_type not in media.INDEXES:
        return [""]
    entries = [entry.platform for entry in decode(data, Index, f"the index {text}").manifests]
    return [spelled(platform) for platform in entries if platform and platform.os != "unknown"] or [""]


def bring(text: str, aim: Aim, wanted: Wanted, workplace: "Workplace", *, named: bool = True) -> "Iterator[Brought]":
    """Publish the images that `text` names, for the wanted platform or for all, and yield them.

    A single image gets the names of its places if `named`. Of several none does: they are available by digest.
    """
    text = str(spooled(parse_place(text), workplace))
    platforms = [wanted.platform] if wanted.platform else platforms_of(text, workplace)
    for platform in platforms:
        one = replace(wanted, platform=platform)
        yield bring_one(text, aim, one, workplace, named=named and len(platforms) == 1)


def bring_one(text: str, aim: Aim, wanted: Wanted, workplace: "Workplace", *, named: bool = True) -> Brought:
    """Publish one image. Nothing is written before it is found."""
    from lamella import pipeline
    from lamella.pipeline import find
    from lamella.pipeline.explain.reasons import reasons

    source = spooled(parse_place(text), workplace)
    if find.is_bytes(source):
        found = image_at(str(source), workplace, wanted)
        targets = aim.targets(workplace, wanted, [source], named=named)
        return Brought(found, tuple(pipeline.deliver(found.image, one, found.tag, workplace) for one in targets))
    draft, known = drafted(text, aim, wanted, workplace)
    base = [parse_place(draft.base_place)] if draft.base_place else []
    built = pipeline.build(draft, known, aim.targets(workplace, wanted, base, named=named))
    pipeline.remember(built, workplace)
    return Brought(Found(built.image, draft.name, draft.tag), built.published, draft, reasons(draft))


def drafted(text: str, aim: Aim, wanted: Wanted, workplace: "Workplace") -> "tuple[Draft, Workplace]":
    """Return the draft of a recipe, with all that the registries remember of its layers."""
    from lamella.oci.platforms import wanted_platform
    from lamella.pipeline.memory.registries import recall
    from lamella.pipeline.packages.mounted import mounted

    known = recall(workplace, aim.beside, aim.told, wanted_platform(wanted.platform))
    draft = draft_at(text, known, aim.previous, platform=wanted.platform)
    return mounted(draft, known) if wanted.mounted else draft, known
