"""`lamella copy`: an image from one place to another; what its recipe needs is made on the way."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    json_option,
    open_workplace,
    quiet_option,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.images import Found, image_at
from lamella.oci.reference import DAEMONS, DOCKER_ARCHIVE, OCI_ARCHIVE, STREAM, Place, PlaceError, parse_place

if TYPE_CHECKING:
    from lamella.oci.image import Progress
    from lamella.pipeline.workplace import Workplace


@click.command("copy")
@click.argument("image")
@click.argument("destination")
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, destination: str, as_json: bool, quiet: bool, verbose: bool, **reach: Any) -> None:
    """Copy IMAGE (a spec, an image.json, or an image at a place) to DESTINATION.

    Places are docker://HOST/NAME[:TAG], oci:FOLDER[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG],
    dir:FOLDER, docker-daemon:NAME[:TAG], podman:NAME[:TAG] and containerd:NAME[:TAG]; - is stdout, or stdin.
    """
    from lamella.cli.progress import Told

    target = parse_place(destination)
    if as_json and target.path == STREAM:
        raise click.UsageError("--json and an archive cannot both go to stdout")
    with (
        Told(quiet=quiet or as_json, verbose=verbose) as told,
        reaching_out(open_workplace(progress=told.progress), **reach) as place,
    ):
        told.doing(f"looking at {image}")
        if target.kind in (OCI_ARCHIVE, DOCKER_ARCHIVE):
            found = _archive(image, target, place)
        elif target.kind in DAEMONS:
            found = _load(image, target, place)
        else:
            found = image_at(image, place, to=[destination])
    if as_json:
        layers = [{"digest": layer.record.digest, "size": layer.record.size} for layer in found.image.layers]
        config = found.image.config_descriptor.digest
        click.echo(show.as_json({"name": found.name, "tag": found.tag, "config": config, "layers": layers}))
    elif not quiet and target.path != STREAM:
        click.echo(f"copied {image} to {target}")


def _load(image: str, target: Place, place: "Workplace") -> Found:
    """Gives the image to a daemon."""
    assert place.outside is not None
    found = image_at(image, place, "none")
    place.outside.daemons.at(target.kind).load(found.image, target.path, place.progress)
    return found


def _archive(image: str, target: Place, place: "Workplace") -> Found:
    """Writes the image as an archive; anew, if something wrong was remembered of it and the archive is a file."""
    from lamella.pipeline.trust import ForgottenError

    if target.path == STREAM and sys.stdout.isatty():
        raise PlaceError("an archive is not for a terminal; pipe it on, for example into docker load")
    compression = "none" if target.kind == DOCKER_ARCHIVE else ""
    mended: set[str] = set()
    while True:
        found = image_at(image, place, compression)
        try:
            _write(found, target, place.progress)
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
