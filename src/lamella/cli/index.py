"""`lamella index`: images for several platforms under one name, and under all names that a release gets."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    is_document,
    json_option,
    open_workplace,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.oci.reference import DOCKER, KINDS, OCI, Place, PlaceError, check_tag, parse_place, reference_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamella.destinations.destination import Destination
    from lamella.oci.wire import Descriptor
    from lamella.pipeline.workplace import Workplace


@click.command("index")
@click.argument("destination")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--append", is_flag=True, help="Keep what the name has for other platforms.")
@click.option("--tag", "tags", multiple=True, help="A tag; again for more.")
@click.option("--branch", default="", help="The branch: a tag, and `latest` if it is the default one.")
@click.option("--default-branch", default="", help="The name of the default branch.")
@click.option("--release", default="", help="A version: tags such as 1.2.3, 1.2 and 1.")
@click.option("--annotation", "annotations", multiple=True, metavar="NAME=VALUE", help="An annotation; again for more.")
@registry_options
@json_option
@quiet_option
@verbose_option
def command(destination: str, images: tuple[str, ...], append: bool, annotations: tuple[str, ...], **how: Any) -> None:
    """Bring each IMAGE to DESTINATION (HOST/NAME[:TAG] or oci:FOLDER[:TAG]), all under one name.

    A spec is built for each of its platforms. Images are there by their digests before the names are given.
    """
    from lamella.cli.progress import Told
    from lamella.destinations.publish import given
    from lamella.images.index import index_of, release_tags

    spelled_out = destination.startswith(tuple(f"{kind}:" for kind in KINDS))
    place = parse_place(destination if spelled_out else f"docker://{destination}")
    named = [place.name] if place.kind == OCI and place.name else [place.name] if _has_tag(destination) else []
    tags = release_tags([*named, *how["tags"]], how["branch"], how["default_branch"], how["release"]) or ["latest"]
    for tag in tags:
        check_tag(tag)
    told_of = dict(_pair(text) for text in annotations)
    reach = reach_of(how)
    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach) as workplace,
    ):
        told.doing("looking at images")
        to = _destination(place, workplace)
        children = [child for text in images for child in _brought(text, to, workplace)]
        existing = _existing(place, tags[0], workplace) if append else []
        root, data = index_of(children, told_of, existing)
        to.put(root, given(data))
        for tag in tags:
            to.tag(tag, root)
    _show(place, root, data, tags, how)


def _brought(text: str, to: "Destination", workplace: "Workplace") -> "Iterator[tuple[str, Descriptor]]":
    """The images that `text` names, each brought to the destination without a name."""
    import msgspec

    from lamella import pipeline
    from lamella.cli.images import image_at
    from lamella.destinations.publish import bring
    from lamella.oci.image import parcel_of
    from lamella.pipeline import find
    from lamella.pipeline.draft import Target
    from lamella.spec.reader import read

    if find.is_bytes(parse_place(text)) or is_document(Path(text)):
        yield text, bring(parcel_of(image_at(text, workplace).image), to, workplace.progress).root
        return
    spec = read(Path(text))
    for platform in spec.image.platforms or [""]:
        image = msgspec.structs.replace(spec.image, platforms=[platform] if platform else [])
        draft = pipeline.plan(type(spec)(image, spec.folder, spec.file), workplace, pipeline.last(spec, workplace))
        yield text, pipeline.build(draft, workplace, [Target(to, named=False)]).published[0].root


def _destination(place: Place, workplace: "Workplace") -> "Destination":
    from lamella.cli.images import repository_at
    from lamella.destinations.layout import Layout

    if place.kind == OCI:
        return Layout(Path(place.path))
    if place.kind == DOCKER:
        return repository_at(reference_of(place), [], workplace)
    raise PlaceError(f"{place} cannot hold several images under one name; write HOST/NAME:TAG or oci:FOLDER:TAG")


def _existing(place: Place, tag: str, workplace: "Workplace") -> "list[Descriptor]":
    """What the name leads to now."""
    from lamella.pipeline.remote import entries_at

    if place.kind != DOCKER:
        raise click.UsageError("--append goes with a registry")
    return entries_at(reference_of(Place(DOCKER, place.path, tag)), workplace.outside)


def _has_tag(text: str) -> bool:
    return ":" in text.removeprefix("docker://").rpartition("/")[2]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"an annotation is written NAME=VALUE, not {text!r}")
    return name, value


def _show(place: Place, root: "Descriptor", data: bytes, tags: list[str], how: dict[str, Any]) -> None:
    from lamella.oci.platforms import spelled
    from lamella.oci.wire import Index, decode

    entries = decode(data, Index, "the index").manifests
    platforms = {spelled(entry.platform): entry.digest for entry in entries if entry.platform}
    if how["as_json"]:
        click.echo(show.as_json({"digest": root.digest, "tags": tags, "platforms": platforms}))
    elif how["quiet"]:
        click.echo(f"{place.path}@{root.digest}")
    else:
        click.echo("\n".join(show.table([(name, show.short(digest)) for name, digest in platforms.items()])))
        click.echo(f"{place.path}@{root.digest} is {', '.join(tags)}")
