"""`lamella pull`: pulls an image from a registry to a layout, or its layers into the cache."""

import time
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    json_option,
    open_workplace,
    platform_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.images import reference_at, target_at

if TYPE_CHECKING:
    from lamella.destinations.publish import Published, Sent
    from lamella.pipeline.workplace import Workplace


@click.command("pull")
@click.argument("reference")
@click.argument("destination", required=False)
@click.option("--all", "everything", is_flag=True, help="All platforms, and their index.")
@platform_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(reference: str, destination: str | None, everything: bool, **how: Any) -> None:
    """Pull REFERENCE (HOST/NAME[:TAG]) to DESTINATION, oci:FOLDER[:TAG].

    Without a destination its layers go into the cache, and builds on top of it need not download them. What exists is
    not downloaded again, and a download that was interrupted is resumed.
    """
    from lamella.cli.progress import Told

    if everything and how["platform"]:
        raise click.UsageError("--all is for all platforms; it cannot be used with --platform")
    started = time.monotonic()
    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing(f"looking at {reference}")
        pulled = _pulled(reference, destination, None if everything else how["platform"], place)
    if how["as_json"]:
        layers = [
            {"digest": sent.layer.record.digest, "size": sent.layer.record.size, "state": _word(sent)}
            for sent in pulled.layers
        ]
        click.echo(show.as_json({"digest": pulled.root.digest, "bytes": pulled.bytes_written, "layers": layers}))
        return
    named = reference_at(reference)
    at = f"{named.registry}/{named.repository}@{pulled.root.digest}"
    if how["quiet"]:
        click.echo(at)
        return
    rows = [(_name(sent), show.size(sent.layer.record.size), _word(sent)) for sent in pulled.layers]
    click.echo("\n".join(show.table(rows, right=(1,))))
    count = sum(sent.written for sent in pulled.layers)
    took = f"{time.monotonic() - started:.1f} s"
    fetched = f"{count} of {show.plural(len(rows), 'layer')} fetched ({show.size(pulled.bytes_written)})"
    click.echo(f"pulled {at} to {destination or 'the cache'}: {fetched}, in {took}")


def _pulled(reference: str, destination: str | None, platform: str | None, place: "Workplace") -> "Published":
    """Pull the image for a platform, or for all if it is None."""
    from lamella.destinations.publish import publish
    from lamella.oci.image import parcel_of
    from lamella.oci.platforms import wanted_platform
    from lamella.oci.reference import place_of
    from lamella.pipeline import find
    from lamella.pipeline.draft import Target
    from lamella.pipeline.memory.pulled import KeptLayers

    named = reference_at(reference)
    source = place_of(named)
    if platform is None:
        parcel = find.open_parcel(source, place.outside)
    else:
        wanted = wanted_platform(platform)
        parcel = parcel_of(find.open_place(source, platform=wanted, outside=place.outside))
    to = target_at(destination, place, [source]) if destination else Target(KeptLayers(place.blobs))
    return publish(parcel, to.destination, to.name or named.name, place.progress)


def _name(sent: "Sent") -> str:
    from lamella.pipeline.memory.registries import name_of

    return show.printable(name_of(sent.layer) or show.short(sent.layer.record.digest))


def _word(sent: "Sent") -> str:
    return "fetched" if sent.written else sent.word
