"""`lamella push`: an image to registries, of which only what is missing there is made and sent."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lamella.cli import show, why
from lamella.cli.common import (
    draft_at,
    json_option,
    open_workplace,
    previous_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.images import reference_at, repository_at
from lamella.oci.reference import DOCKER, Reference, parse_place, reference_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.destinations.publish import Published, Sent
    from lamella.oci.image import Image
    from lamella.pipeline.draft import Draft
    from lamella.pipeline.reasons import Reason
    from lamella.pipeline.workplace import Workplace


class Pushed(NamedTuple):
    """What became of an image at one place; `reasons` has one for each layer of ours."""

    reference: Reference
    published: "Published"
    reasons: "Sequence[Reason]"


@click.command("push")
@click.argument("image")
@click.argument("destinations", nargs=-1, metavar="[DESTINATION]...")
@click.option(
    "--cache-from", multiple=True, metavar="REF", help="An image that tells of layers it has; again for more."
)
@click.option("--dry-run", is_flag=True, help="Say what would be made and sent, and do nothing.")
@previous_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(image: str, destinations: tuple[str, ...], cache_from: tuple[str, ...], dry_run: bool, **how: Any) -> None:
    """Push IMAGE (a spec, an image.json, a layout or an archive) to each DESTINATION, as in HOST/NAME:TAG.

    Without a destination, a spec goes where its name says. What the images there, and those of --cache-from, tell of
    their layers is believed: such layers are reused, even where none of their files is.
    """
    from lamella.cli.progress import Told
    from lamella.pipeline import find
    from lamella.pipeline.memory import recall

    started = time.monotonic()
    to = [reference_at(text) for text in destinations] or [_named_in(image)]
    reach = reach_of(how)
    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach) as place,
    ):
        told.doing("looking at packages and registries")
        source = parse_place(image)
        if find.is_bytes(source):
            others = [reference_of(source)] if source.kind == DOCKER else []
            pushed = _push_bytes(find.open_place(source, outside=place.outside), to, others, place)
        else:
            cache = [reference_at(text) for text in cache_from]
            place = recall(place, [*to, *cache], told.doing)
            draft = draft_at(image, place, how["previous"])
            if dry_run:
                click.echo("\n".join(_foreseen(draft, to, place)))
                return
            pushed = _push_draft(draft, to, cache, place)
    _show(pushed, how, time.monotonic() - started)


def _push_bytes(
    image: "Image", to: "Sequence[Reference]", others: "Sequence[Reference]", place: "Workplace"
) -> list[Pushed]:
    from lamella.destinations.publish import publish
    from lamella.oci.image import parcel_of

    pushed = []
    for one in to:
        destination = repository_at(one, [*others, *to], place)
        pushed.append(Pushed(one, publish(parcel_of(image), destination, one.name, place.progress), ()))
    return pushed


def _push_draft(
    draft: "Draft", to: "Sequence[Reference]", cache: "Sequence[Reference]", place: "Workplace"
) -> list[Pushed]:
    from lamella import pipeline
    from lamella.pipeline.draft import Target
    from lamella.pipeline.reasons import reasons

    base = parse_place(draft.base_place) if draft.base_place else None
    beside = [*cache, *to, *([reference_of(base)] if base and base.kind == DOCKER else [])]
    targets = [Target(repository_at(one, beside, place), one.name) for one in to]
    built = pipeline.build(draft, place, targets)
    pipeline.remember(built, place)
    found = reasons(draft)
    return [Pushed(one, published, found) for one, published in zip(to, built.published, strict=True)]


def _foreseen(draft: "Draft", to: "Sequence[Reference]", place: "Workplace") -> list[str]:
    """What a push would do, a line for each layer and place; nothing is written anywhere."""
    from lamella.oci.wire import Descriptor
    from lamella.pipeline.reasons import reasons

    rows = []
    for reference in to:
        destination = repository_at(reference, [], place)
        for planned, reason in zip(draft.layers, reasons(draft), strict=True):
            record = planned.record
            word = "make and upload"
            if record:
                blob = Descriptor(media_type=record.media_type, digest=record.digest, size=record.size)
                word = "exists" if destination.has(blob) else "upload"
            size = show.size(record.size if record else planned.plan.size)
            rows.append((str(reference), show.printable(planned.plan.name), size, word, why.said(reason)))
    return show.table(rows, right=(2,))


def _named_in(image: str) -> Reference:
    """Where the image's own name says that it belongs."""
    from lamella.spec.reader import read

    named = read(Path(image)).image if Path(image).suffix != ".json" and Path(image).exists() else None
    host = named.name.partition("/")[0] if named else ""
    if named is None or not ("." in host or ":" in host or host == "localhost"):
        raise click.UsageError("say where the image goes, as in registry.example.com/team/app:v1")
    return reference_at(f"{named.name}:{named.tag}")


def _show(pushed: list[Pushed], how: dict[str, Any], seconds: float) -> None:
    if how["as_json"]:
        click.echo(show.as_json([_told(one) for one in pushed]))
        return
    for one in pushed:
        at = f"{one.reference.registry}/{one.reference.repository}@{one.published.root.digest}"
        if how["quiet"]:
            click.echo(at)
            continue
        sent = one.published.layers
        click.echo(click.style(str(one.reference), bold=True))
        click.echo("\n".join(f"  {line}" for line in show.table([_row(*pair) for pair in _pairs(one)], right=(1,))))
        counts = [(word, sum(layer.word == word for layer in sent)) for word in ("exists", "mounted", "uploaded")]
        told = ", ".join(f"{count} {word}" for word, count in counts if count)
        size = show.size(one.published.bytes_written)
        click.echo(f"pushed {at}: {told} ({size} sent), in {seconds:.1f} s")


def _pairs(one: Pushed) -> "list[tuple[Sent, Reason | None]]":
    """Each layer with its reason; those of a base image have none."""
    layers = one.published.layers
    return list(zip(layers, [*[None] * (len(layers) - len(one.reasons)), *one.reasons], strict=True))


def _why(sent: "Sent", reason: "Reason | None") -> str:
    """What the word has to do with the image before, or with the registry."""
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
    return {
        "reference": str(one.reference),
        "digest": one.published.root.digest,
        "bytes": one.published.bytes_written,
        "layers": [
            {
                "name": sent.layer.name,
                "digest": sent.layer.record.digest,
                "size": sent.layer.record.size,
                "state": sent.word,
                "seconds": round(sent.seconds, 3),
                **(why.told(reason) if reason else {}),
                "why": _why(sent, reason),
            }
            for sent, reason in _pairs(one)
        ],
    }
