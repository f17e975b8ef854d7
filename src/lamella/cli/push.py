"""`lamella push`: pushes an image to registries; makes and uploads only what is missing there."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lamella.cli import foreseen, show, why
from lamella.cli.attach import attach_contents
from lamella.cli.common import (
    format_option,
    image_argument,
    json_option,
    mounted_option,
    open_workplace,
    platform_option,
    previous_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.images import Wanted, reference_at, target_at
from lamella.cli.pushing import Aim, Brought, bring
from lamella.cli.sbom import FORMATS
from lamella.oci.reference import KINDS, Reference, parse_place, place_of, reference_of

if TYPE_CHECKING:
    from lamella.destinations.publish import Published, Sent
    from lamella.oci.wire import Descriptor
    from lamella.pipeline.explain.reasons import Reason
    from lamella.pipeline.workplace import Workplace


class Pushed(NamedTuple):
    """What the name refers to now: an image, or an index of several; and what became of each image."""

    reference: Reference
    root: "Descriptor"
    images: "Sequence[tuple[Published, Sequence[Reason]]]"


@click.command("push")
@image_argument
@click.argument("destinations", nargs=-1, metavar="[DESTINATION]...")
@click.option(
    "--cache-from", multiple=True, metavar="REFERENCE", help="An image whose layers may be reused. Can be repeated."
)
@click.option(
    "--cache-to",
    multiple=True,
    metavar="REFERENCE",
    help="Also push to REFERENCE, for a later --cache-from. Can be repeated.",
)
@click.option(
    "--layer-images", metavar="PREFIX", help="Also push each layer as an image, named PREFIX and the layer's name."
)
@click.option("--sbom", type=click.Choice(FORMATS), help="Also attach an SBOM to each image.")
@click.option("--dry-run", is_flag=True, help="Show what would be made and uploaded; do nothing.")
@previous_option
@mounted_option
@platform_option
@format_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, destinations: tuple[str, ...], dry_run: bool, **how: Any) -> None:
    """Push IMAGE (a spec, an image.json, or an image at a place) to each DESTINATION, HOST/NAME:TAG.

    Without a destination, a spec goes where its name says; one for several platforms becomes an index of them. What
    the images there, and those of --cache-from, say about their layers is trusted: such layers are reused, even if
    none of their files is on this machine.
    """
    from lamella.cli.progress import Told
    from lamella.pipeline.find import is_bytes

    if how["layer_images"] and is_bytes(parse_place(image)):
        raise click.UsageError("--layer-images needs a spec or an image.json, which describe the layers")
    started = time.monotonic()
    to = [reference_at(text) for text in destinations] or [_named_in(image)]
    memory = [reference_at(text) for text in (*how["cache_from"], *how["cache_to"])]
    places = [place_of(one) for one in (*to, *map(reference_at, how["cache_to"]))]
    wanted = Wanted(how["platform"], form=how["form"] or "", mounted=how["nix_store_paths"])
    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), home=to[0].registry, **reach_of(how)) as workplace,
    ):
        told.doing("looking up packages and registries")
        aim = Aim(places, memory, how["previous"], told.doing)
        if dry_run:
            _show_foreseen(foreseen.foreseen(image, aim, wanted, workplace), how)
            return
        brought = list(bring(image, aim, wanted, workplace))
        pushed = _named(image, brought, aim, wanted, workplace)
        if how["sbom"]:
            attach_contents(brought, how["sbom"], aim, workplace)
        if how["layer_images"]:
            _push_layers(how["layer_images"], brought, aim, wanted, workplace)
    _show(pushed[: len(to)], how, time.monotonic() - started)


def _named(image: str, brought: Sequence[Brought], aim: Aim, wanted: Wanted, workplace: "Workplace") -> list[Pushed]:
    """Name what was uploaded; several images get an index."""
    from lamella.destinations.publish import given
    from lamella.images.index import index_of

    pushed = []
    for number, place in enumerate(aim.places):
        images = [(one.published[number], one.reasons) for one in brought]
        root = images[0][0].root
        if len(images) > 1:
            root, data = index_of([(image, published.root) for published, _ in images], {}, (), wanted.form)
            to = target_at(str(place), workplace).destination
            if not to.has(root):
                to.put(root, given(data))
            to.tag(place.name, root, data)
        pushed.append(Pushed(reference_of(place), root, images))
    return pushed


def _push_layers(prefix: str, brought: Sequence[Brought], aim: Aim, wanted: Wanted, workplace: "Workplace") -> None:
    """Push each layer as an image, for all platforms that have it. Its blob already exists, and is mounted."""
    from lamella import pipeline
    from lamella.pipeline.draft import slug

    drafts = [(one, one.draft) for one in brought if one.draft]
    for group in dict.fromkeys(group for _, draft in drafts for group in draft.groups):
        places = []
        for place in aim.places:
            host = f"{reference_of(place).registry}/"
            name = f"{'' if prefix.startswith(host) else host}{prefix}{slug(group)}:{place.name}"
            places.append(place_of(reference_at(name)))
        alone = Aim(places, aim.beside)
        having = [(one, draft.only(group, below=False)) for one, draft in drafts if group in draft.groups]
        targets = alone.targets(workplace, wanted, named=len(having) == 1)
        made = [one._replace(published=pipeline.build(draft, workplace, targets).published) for one, draft in having]
        _named(group, made, alone, wanted, workplace)


def _named_in(image: str) -> Reference:
    """Return the destination that the image's own name gives."""
    from lamella.spec.reader import read

    is_there = Path(image).exists()
    if not is_there and "/" in image and image.partition(":")[0] not in KINDS:
        hint = f"to push this folder's image there: lamella push . {image}"
        raise click.UsageError(f"no such file: {image}; {hint}")
    named = read(Path(image)).image if Path(image).suffix != ".json" and is_there else None
    host = named.name.partition("/")[0] if named else ""
    if named is None or not ("." in host or ":" in host or host == "localhost"):
        raise click.UsageError("no destination; name one, as in registry.example.com/team/app:v1")
    return reference_at(f"{named.name}:{named.tag}")


def _show_foreseen(found: list[dict[str, Any]], how: dict[str, Any]) -> None:
    if how["as_json"]:
        click.echo(show.as_json(found))
    elif not how["quiet"]:
        click.echo("\n".join(foreseen.lines(found)))


def _show(pushed: Sequence[Pushed], how: dict[str, Any], seconds: float) -> None:
    if how["as_json"]:
        click.echo(show.as_json([_told(one) for one in pushed]))
        return
    for one in pushed:
        at = f"{one.reference.registry}/{one.reference.repository}@{one.root.digest}"
        if how["quiet"]:
            click.echo(at)
            continue
        click.echo(click.style(str(one.reference), bold=True))
        for published, reasons in one.images:
            if len(one.images) > 1:
                click.echo(f"  {_platform(published)}")
            rows = [_row(*pair) for pair in _pairs(published, reasons)]
            click.echo("\n".join(f"  {line}" for line in show.table(rows, right=(1,))))
        sent = [layer for published, _ in one.images for layer in published.layers]
        counts = [(word, sum(layer.word == word for layer in sent)) for word in ("exists", "mounted", "uploaded")]
        told = ", ".join(f"{count} {word}" for word, count in counts if count)
        size = show.size(sum(published.bytes_written for published, _ in one.images))
        click.echo(f"pushed {at}: {told} ({size} sent), in {seconds:.1f} s")


def _platform(published: "Published") -> str:
    from lamella.oci.platforms import spelled

    return spelled(published.root.platform) if published.root.platform else ""


def _pairs(published: "Published", reasons: "Sequence[Reason]") -> "list[tuple[Sent, Reason | None]]":
    """Pair each layer with its reason; those of a base image have none."""
    layers = published.layers
    return list(zip(layers, [*[None] * (len(layers) - len(reasons)), *reasons], strict=True))


def _why(sent: "Sent", reason: "Reason | None") -> str:
    """Why a layer was uploaded or not: because of the previous image, or of the registry."""
    if sent.word == "mounted":
        return "another repository has it"
    if sent.written and (reason is None or reason.known):
        return "not there yet"
    return why.said(reason) if reason else ""


def _row(sent: "Sent", reason: "Reason | None") -> tuple[str, ...]:
    name = sent.layer.name or show.short(sent.layer.record.digest)
    word = click.style(sent.word, fg="green") if sent.written else sent.word
    took = f"{sent.seconds:.1f} s" if sent.written and sent.seconds else ""
    return show.printable(name), show.size(sent.layer.record.size), word, took, _why(sent, reason)


def _told(one: Pushed) -> dict[str, Any]:
    images = [
        {
            "platform": _platform(published),
            "digest": published.root.digest,
            "layers": [_told_of_layer(*pair) for pair in _pairs(published, reasons)],
        }
        for published, reasons in one.images
    ]
    told = {
        "reference": str(one.reference),
        "digest": one.root.digest,
        "bytes": sum(published.bytes_written for published, _ in one.images),
    }
    return {**told, "platforms": images} if len(images) > 1 else {**told, "layers": images[0]["layers"]}


def _told_of_layer(sent: "Sent", reason: "Reason | None") -> dict[str, Any]:
    return {
        "name": sent.layer.name,
        "digest": sent.layer.record.digest,
        "size": sent.layer.record.size,
        "state": sent.word,
        "seconds": round(sent.seconds, 3),
        **(why.told(reason) if reason else {}),
        "why": _why(sent, reason),
    }
