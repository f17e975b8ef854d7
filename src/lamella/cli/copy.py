"""`lamella copy`: an image from one place to another; what its recipe needs is made on the way."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from lamella.cli import show
from lamella.cli.common import draft_at, json_option, open_workplace, quiet_option, verbose_option
from lamella.oci.image import silent
from lamella.oci.reference import DOCKER_ARCHIVE, OCI, OCI_ARCHIVE, STREAM, Place, PlaceError, docker_name, parse_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.oci.image import Image, Progress
    from lamella.pipeline.draft import Target


def target_at(text: str) -> "Target":
    """The layout folder that `text` names, and the image's name there."""
    from lamella.destinations.layout import Layout
    from lamella.pipeline.draft import Target

    place = parse_place(text)
    if place.kind != OCI:
        raise PlaceError(f"{text}: a build can go to oci:FOLDER; use lamella copy for archives")
    return Target(Layout(Path(place.path)), place.name)


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


@click.command("copy")
@click.argument("image")
@click.argument("destination")
@json_option
@quiet_option
@verbose_option
def command(image: str, destination: str, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Copy IMAGE (a spec, an image.json, a layout or an archive) to DESTINATION.

    Places are oci:FOLDER[:TAG], oci-archive:FILE[:TAG] and docker-archive:FILE[:NAME:TAG]; - is stdout.
    """
    from lamella.cli.progress import Told

    target = parse_place(destination)
    if as_json and target.path == STREAM:
        raise click.UsageError("--json and an archive cannot both go to stdout")
    with Told(quiet=quiet or as_json, verbose=verbose) as told:
        told.doing(f"looking at {image}")
        if target.kind == OCI:
            found = image_at(image, progress=told.progress, to=[target_at(destination)])
        else:
            found = _archive(image, target, told.progress)
    if as_json:
        layers = [{"digest": layer.record.digest, "size": layer.record.size} for layer in found.image.layers]
        config = found.image.config_descriptor.digest
        click.echo(show.as_json({"name": found.name, "tag": found.tag, "config": config, "layers": layers}))
    elif not quiet and target.path != STREAM:
        click.echo(f"copied {image} to {target}")


def image_at(text: str, compression: str = "", progress: "Progress" = silent, to: "Sequence[Target]" = ()) -> "Found":
    """The image at a place, brought `to` others; one that is only a recipe is built."""
    from lamella import pipeline
    from lamella.destinations.publish import publish
    from lamella.pipeline import find

    place = parse_place(text)
    if find.is_bytes(place):
        name, _, tag = place.name.rpartition(":")
        found = Found(find.open_place(place), name, tag)
        for target in to:
            publish(found.image, target.destination, target.name or tag or "latest", progress)
        return found
    workplace = open_workplace(progress=progress)
    built = pipeline.build(draft_at(text, workplace, compression=compression), workplace, to)
    return Found(built.image, built.draft.name, built.draft.tag)


def _archive(image: str, target: Place, progress: "Progress") -> Found:
    """Writes the image as an archive; anew, if something wrong was remembered of it and the archive is a file."""
    from lamella.pipeline.trust import ForgottenError

    if target.kind not in (OCI_ARCHIVE, DOCKER_ARCHIVE):
        raise PlaceError(f"{target} is no place to copy to; write oci:, oci-archive: or docker-archive: before it")
    if target.path == STREAM and sys.stdout.isatty():
        raise PlaceError("an archive is not for a terminal; pipe it on, for example into docker load")
    compression = "none" if target.kind == DOCKER_ARCHIVE else ""
    mended: set[str] = set()
    while True:
        found = image_at(image, compression, progress)
        try:
            _write(found, target, progress)
        except ForgottenError as error:
            if target.path == STREAM or error.key in mended:
                raise
            mended.add(error.key)
        else:
            return found


def _write(found: Found, target: Place, progress: "Progress") -> None:
    from lamella.destinations.archive import archive_file, write_docker_archive, write_oci_archive

    stream = sys.stdout.buffer
    with contextlib.ExitStack() as stack:
        out = stream if target.path == STREAM else stack.enter_context(archive_file(Path(target.path)))
        if target.kind == OCI_ARCHIVE:
            write_oci_archive(found.image, target.name or found.tag or "latest", out, progress)
        else:
            write_docker_archive(found.image, target.name or found.docker_name, out, progress)
