"""`lamella copy`: copies an image from one place to another; a recipe is built on the way."""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    format_option,
    json_option,
    mounted_option,
    open_workplace,
    platform_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.completing import IMAGE
from lamella.cli.images import Found, Wanted, image_at, spooled, target_at
from lamella.cli.pushing import Aim, bring_one
from lamella.oci.reference import DAEMONS, DOCKER_ARCHIVE, OCI_ARCHIVE, STREAM, Place, PlaceError, parse_place

if TYPE_CHECKING:
    from lamella.oci.image import Parcel, Progress
    from lamella.pipeline.workplace import Workplace


@click.command("copy")
@click.argument("image", type=IMAGE)
@click.argument("destination", type=IMAGE)
@click.option("--all", "everything", is_flag=True, help="All platforms, and their index.")
@mounted_option
@platform_option
@format_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, destination: str, **how: Any) -> None:
    """Copy IMAGE (a spec, an image.json, or an image at a place) to DESTINATION.

    Places are docker://HOST/NAME[:TAG], oci:FOLDER[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG],
    dir:FOLDER, docker-daemon:NAME[:TAG], podman:NAME[:TAG] and containerd:NAME[:TAG]; - is stdout, or stdin.
    """
    from lamella.cli.progress import Told

    target = parse_place(destination)
    if how["as_json"] and target.path == STREAM:
        raise click.UsageError("--json and an archive cannot both go to stdout")
    if how["everything"] and (how["form"] or how["platform"]):
        raise click.UsageError("--all copies everything unchanged; it cannot be used with --platform or --format")
    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing(f"looking at {image}")
        if how["everything"]:
            result = _told_of_parcel(_copy_all(image, target, place))
        else:
            wanted = Wanted(how["platform"], form=how["form"] or "", mounted=how["nix_store_paths"])
            result = _told_of(*_copy_one(image, target, wanted, place))
    if how["as_json"]:
        click.echo(show.as_json(result))
    elif not how["quiet"] and target.path != STREAM:
        click.echo(f"copied {image} to {target}")


def _told_of(found: Found, digest: str | None) -> dict[str, Any]:
    layers = [{"digest": layer.record.digest, "size": layer.record.size} for layer in found.image.layers]
    config = found.image.config_descriptor.digest
    return {"name": found.name, "tag": found.tag, "digest": digest, "config": config, "layers": layers}


def _told_of_parcel(parcel: "Parcel") -> dict[str, Any]:
    return {"digest": parcel.root.digest, "manifests": [blob.digest for blob, _ in parcel.documents]}


def _copy_one(image: str, target: Place, wanted: Wanted, place: "Workplace") -> tuple[Found, str | None]:
    """Copy one image; return it with the digest of its manifest, which is None where there are none."""
    from lamella.oci.image import parcel_of

    if target.kind in (OCI_ARCHIVE, DOCKER_ARCHIVE):
        found = _archive(image, target, wanted, place)
        return found, parcel_of(found.image).root.digest if target.kind == OCI_ARCHIVE else None
    if target.kind in DAEMONS:
        assert place.outside is not None
        found = image_at(image, place, replace(wanted, compression="none"))
        place.outside.daemons.at(target.kind).load(found.image, target.path, place.progress)
        return found, None
    brought = bring_one(image, Aim([target]), wanted, place)
    return brought.found, brought.published[0].root.digest


def _copy_all(image: str, target: Place, place: "Workplace") -> "Parcel":
    """Copy everything that the name refers to, byte for byte."""
    from lamella.destinations.archive import write_oci_archive
    from lamella.destinations.publish import publish
    from lamella.pipeline import find

    source = spooled(parse_place(image), place)
    if not find.is_bytes(source):
        raise PlaceError(f"{image} is a recipe for one image at a time; use lamella index to publish all its platforms")
    parcel = find.open_parcel(source, place.outside)
    name = target.name or source.name or "latest"
    if target.kind == OCI_ARCHIVE:
        with _out(target) as out:
            write_oci_archive(parcel, name, out, place.progress)
    elif target.kind in (*DAEMONS, DOCKER_ARCHIVE):
        raise PlaceError(f"{target} holds only one image; copy to docker://, oci:, oci-archive: or dir:")
    else:
        to = target_at(str(target), place, [source])
        publish(parcel, to.destination, name, place.progress)
    return parcel


def _archive(image: str, target: Place, wanted: Wanted, place: "Workplace") -> Found:
    """Write the image as an archive; again, if something remembered of it was wrong and the archive is a file."""
    from lamella.pipeline.memory.trust import ForgottenError

    if target.kind == DOCKER_ARCHIVE:
        wanted = replace(wanted, compression="none")
    mended: set[str] = set()
    while True:
        found = image_at(image, place, wanted)
        try:
            _write(found, target, place.progress)
        except ForgottenError as error:
            if target.path == STREAM or error.key in mended:
                raise
            mended.add(error.key)
        else:
            return found


def _write(found: Found, target: Place, progress: "Progress") -> None:
    from lamella.destinations.archive import write_docker_archive, write_oci_archive
    from lamella.oci.image import parcel_of

    with _out(target) as out:
        if target.kind == OCI_ARCHIVE:
            write_oci_archive(parcel_of(found.image), target.name or found.tag or "latest", out, progress)
        else:
            write_docker_archive(found.image, target.name or found.docker_name, out, progress)


def _out(target: Place) -> "contextlib.AbstractContextManager[Any]":
    from lamella.destinations.archive import archive_file

    if target.path != STREAM:
        return archive_file(Path(target.path))
    if sys.stdout.isatty():
        raise PlaceError("stdout is a terminal; pipe the archive on, for example into docker load")
    return contextlib.nullcontext(sys.stdout.buffer)
