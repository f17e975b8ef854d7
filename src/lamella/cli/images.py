"""Images and places as commands name them: opened, or built where there is only a recipe, and brought elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lamella.cli.common import draft_at
from lamella.oci.reference import (
    DAEMONS,
    DIR,
    DOCKER,
    OCI,
    Place,
    PlaceError,
    Reference,
    docker_name,
    parse_place,
    parse_reference,
    reference_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.destinations.registry import RegistryDestination
    from lamella.oci.image import Image
    from lamella.pipeline.draft import Target
    from lamella.pipeline.workplace import Workplace


class Found(NamedTuple):
    """An image, and what it is called where it was found."""

    image: "Image"
    name: str
    tag: str

    @property
    def docker_name(self) -> str:
        """`name:tag` as Docker writes it; empty for an image that has no name."""
        name = self.name or self.tag
        return docker_name(f"{self.name}:{self.tag}" if self.name and self.tag else name) if name else ""


def image_at(text: str, workplace: "Workplace", compression: str = "", to: "Sequence[str]" = ()) -> Found:
    """The image at a place, brought `to` others; one that is only a recipe is built.

    Nothing is written anywhere before the image is found.
    """
    from lamella import pipeline
    from lamella.destinations.publish import publish
    from lamella.pipeline import find

    place = parse_place(text)
    if find.is_bytes(place):
        name, _, tag = _called(place).rpartition(":")
        found = Found(find.open_place(place, outside=workplace.outside), name, tag)
        for target in (target_at(one, workplace) for one in to):
            publish(found.image, target.destination, target.name or tag or "latest", workplace.progress)
        return found
    draft = draft_at(text, workplace, compression=compression)
    built = pipeline.build(draft, workplace, [target_at(one, workplace) for one in to])
    return Found(built.image, built.draft.name, built.draft.tag)


def _called(place: Place) -> str:
    """The name of the image at `place`."""
    if place.kind == DOCKER:
        return str(reference_of(place))
    return place.path if place.kind in DAEMONS else place.name


def target_at(text: str, workplace: "Workplace") -> "Target":
    """The layout or repository that `text` names, and the image's name there."""
    from lamella.destinations.directory import Directory
    from lamella.destinations.layout import Layout
    from lamella.pipeline.draft import Target

    place = parse_place(text)
    if place.kind == OCI:
        return Target(Layout(Path(place.path)), place.name)
    if place.kind == DIR:
        return Target(Directory(Path(place.path)))
    if place.kind == DOCKER:
        return Target(repository_at(reference_of(place), [], workplace), place.name)
    raise PlaceError(
        f"{text}: an image can go to docker://HOST/NAME:TAG, oci:FOLDER or dir:FOLDER; use lamella copy for others"
    )


def repository_at(reference: Reference, others: "Sequence[Reference]", workplace: "Workplace") -> "RegistryDestination":
    """The repository of `reference`, which may take blobs over from `others` of the same registry."""
    from lamella.destinations.registry import RegistryDestination

    assert workplace.outside is not None
    beside = [other.repository for other in others if other.registry == reference.registry]
    return RegistryDestination(workplace.outside.registries.repository(reference), beside)


def reference_at(text: str) -> Reference:
    """A reference, with or without `docker://` before it."""
    return parse_reference(text.removeprefix("docker://"))
