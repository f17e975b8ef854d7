"""Images and places as commands name them: images are opened, or built if there is only a recipe."""

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lamella.cli.common import draft_at
from lamella.oci.reference import (
    DAEMONS,
    DIR,
    DOCKER,
    DOCKER_ARCHIVE,
    FILE,
    KINDS,
    OCI,
    OCI_ARCHIVE,
    STREAM,
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
        """`name:tag` as Docker writes it; empty for an image without a name."""
        name = self.name or self.tag
        return docker_name(f"{self.name}:{self.tag}" if self.name and self.tag else name) if name else ""


@dataclass(frozen=True)
class Wanted:
    """Which image of a place is wanted: its platform, the compression of its layers, the form of its manifest.

    Of a spec it can be the image up to one `layer`. With `mounted`, Nix's paths are left to the host.
    """

    platform: str = ""
    compression: str = ""
    form: str = ""
    layer: str = ""
    mounted: bool = False


_ANY = Wanted()


def image_at(text: str, workplace: "Workplace", wanted: Wanted = _ANY) -> Found:
    """Return the image at a place; a recipe is built."""
    from lamella import pipeline
    from lamella.images.form import in_form
    from lamella.oci.platforms import wanted_platform
    from lamella.pipeline import find
    from lamella.pipeline.packages.mounted import mounted

    place = spooled(parse_place(text), workplace)
    if find.is_bytes(place):
        if wanted.layer or wanted.mounted:
            option = "--layer" if wanted.layer else "--nix-store-paths"
            raise PlaceError(f"{text} is an image; {option} needs a spec or an image.json")
        image = find.open_place(place, platform=wanted_platform(wanted.platform), outside=workplace.outside)
        name, _, tag = _called(place).rpartition(":")
    else:
        draft = draft_at(text, workplace, compression=wanted.compression, platform=wanted.platform)
        if wanted.layer:
            draft = draft.only(wanted.layer, below=True)
        if wanted.mounted:
            draft = mounted(draft, workplace)
        built = pipeline.build(draft, workplace)
        pipeline.remember(built, workplace)
        image, name, tag = built.image, draft.name, draft.tag
    return Found(in_form(image, wanted.form) if wanted.form else image, name, tag)


def spooled(place: Place, workplace: "Workplace") -> Place:
    """Return `place`; if it is stdin, a file with its content: archives are not read from start to end."""
    if place.path != STREAM or place.kind not in (OCI_ARCHIVE, DOCKER_ARCHIVE):
        return place
    if sys.stdin.isatty():
        raise PlaceError(f"{place} is stdin, which is a terminal; pipe an archive into it")
    assert workplace.outside is not None
    file = workplace.outside.file()
    with file.open("wb") as out:
        shutil.copyfileobj(sys.stdin.buffer, out, 1 << 20)
    return replace(place, path=str(file))


def _called(place: Place) -> str:
    """The name of the image at `place`."""
    if place.kind == DOCKER:
        return str(reference_of(place))
    return place.path if place.kind in DAEMONS else place.name


def target_at(text: str, workplace: "Workplace", sources: "Sequence[Place]" = ()) -> "Target":
    """Return the layout or repository that `text` names, and the image's name there; blobs may come from `sources`."""
    from lamella.destinations.directory import Directory
    from lamella.destinations.layout import Layout
    from lamella.pipeline.draft import Target

    place = parse_place(text)
    if place.kind == OCI:
        return Target(Layout(Path(place.path)), place.name)
    if place.kind == DIR:
        return Target(Directory(Path(place.path)))
    if place.kind == DOCKER:
        beside = [reference_of(source) for source in sources if source.kind == DOCKER]
        return Target(repository_at(reference_of(place), beside, workplace), place.name)
    if place.kind == FILE:
        raise PlaceError(
            f"{text} is not a place for an image; write docker://HOST/NAME:TAG, or for a folder oci:{text}"
        )
    raise PlaceError(
        f"{text}: an image can go to docker://HOST/NAME:TAG, oci:FOLDER or dir:FOLDER; use lamella copy for others"
    )


def repository_at(reference: Reference, others: "Sequence[Reference]", workplace: "Workplace") -> "RegistryDestination":
    """Return the repository of `reference`; it may mount blobs from `others` of the same registry."""
    from lamella.destinations.registry import RegistryDestination

    assert workplace.outside is not None
    beside = [other.repository for other in others if other.registry == reference.registry]
    return RegistryDestination(workplace.outside.registries.repository(reference), beside)


def reference_at(text: str) -> Reference:
    """A reference, with or without `docker://` before it."""
    kind = text.partition(":")[0]
    if kind in KINDS and kind != DOCKER:
        raise PlaceError(f"{text} is not in a registry; write HOST/NAME:TAG, or use lamella copy for other places")
    return parse_reference(text.removeprefix("docker://"))
