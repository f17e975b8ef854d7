"""`lamella copy`: an image from one place to another; what its recipe needs is made on the way."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamella.cli.common import draft_at, open_workplace, quiet_option
from lamella.oci.reference import DOCKER_ARCHIVE, OCI, OCI_ARCHIVE, STREAM, Place, PlaceError, docker_name, parse_place

if TYPE_CHECKING:
    from lamella.oci.image import Image
    from lamella.pipeline.draft import Target


def target_at(text: str) -> "Target":
    """The layout folder that `text` names, and the image's name there."""
    from lamella.destinations.layout import Layout
    from lamella.pipeline.draft import Target

    place = parse_place(text)
    if place.kind != OCI:
        raise PlaceError(f"{text}: a build can go to oci:FOLDER; use lamella copy for archives")
    return Target(Layout(Path(place.path)), place.name)


@click.command("copy")
@click.argument("image")
@click.argument("destination")
@quiet_option
def command(image: str, destination: str, quiet: bool) -> None:
    """Copy IMAGE (a spec, an image.json, a layout or an archive) to DESTINATION.

    Places are oci:FOLDER[:TAG], oci-archive:FILE[:TAG] and docker-archive:FILE[:NAME:TAG]; - is stdout.
    """
    target = parse_place(destination)
    found, name, tag = image_at(image, "none" if target.kind == DOCKER_ARCHIVE else "")
    _write(found, target, name, tag)
    if not quiet and target.path != STREAM:
        click.echo(f"copied {image} to {target}")


def image_at(text: str, compression: str = "") -> "tuple[Image, str, str]":
    """The image at a place, with its name and tag; one that is only a recipe is built."""
    from lamella import pipeline
    from lamella.pipeline import find

    place = parse_place(text)
    if find.is_bytes(place):
        name, _, tag = place.name.rpartition(":")
        return find.open_place(place), name, tag
    workplace = open_workplace()
    built = pipeline.build(draft_at(text, workplace, compression=compression), workplace)
    return built.image, built.draft.name, built.draft.tag


def _write(image: "Image", target: Place, name: str, tag: str) -> None:
    from lamella.destinations.archive import archive_file, write_docker_archive, write_oci_archive
    from lamella.destinations.layout import Layout
    from lamella.destinations.publish import publish

    if target.kind == OCI:
        publish(image, Layout(Path(target.path)), target.name or tag or "latest")
        return
    if target.kind not in (OCI_ARCHIVE, DOCKER_ARCHIVE):
        raise PlaceError(f"{target} is no place to copy to; write oci:, oci-archive: or docker-archive: before it")
    stream = sys.stdout.buffer
    if target.path == STREAM and stream.isatty():
        raise PlaceError("an archive is not for a terminal; pipe it on, for example into docker load")
    with contextlib.ExitStack() as stack:
        out = stream if target.path == STREAM else stack.enter_context(archive_file(Path(target.path)))
        if target.kind == OCI_ARCHIVE:
            write_oci_archive(image, target.name or tag or "latest", out)
        else:
            write_docker_archive(image, target.name or docker_name(f"{name}:{tag}" if name and tag else name), out)
