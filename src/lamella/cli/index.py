"""`lamella index`: publishes images for several platforms under one name, and under all names of a release."""

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lamella.cli import show
from lamella.cli.common import (
    format_option,
    json_option,
    open_workplace,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)
from lamella.cli.completing import IMAGE
from lamella.cli.images import Wanted, target_at
from lamella.cli.pushing import Aim, bring
from lamella.oci.reference import DOCKER, KINDS, OCI, Place, PlaceError, check_tag, parse_place, reference_of

if TYPE_CHECKING:
    from lamella.oci.reference import Reference
    from lamella.oci.wire import Descriptor
    from lamella.pipeline.workplace import Workplace

_SETTLING = 1.0
"""Seconds; much longer than it takes to read a name and to write it again."""

_MOST_ROUNDS = 20
_LATEST = "latest"


class Names(NamedTuple):
    """The tags of an index, its annotations and the form of its manifest."""

    tags: Sequence[str]
    annotations: dict[str, str]
    form: str


@click.command("index")
@click.argument("destination")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=IMAGE)
@click.option("--also", multiple=True, metavar="DESTINATION", help="Another destination. Can be repeated.")
@click.option("--append", is_flag=True, help="Keep the images for other platforms that the name has.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag. Can be repeated.")
@click.option(
    "--branch",
    default="",
    metavar="BRANCH",
    help="The branch: becomes a tag, and `latest` if it is the default branch.",
)
@click.option("--default-branch", default="", metavar="BRANCH", help="The name of the default branch.")
@click.option("--release", default="", metavar="VERSION", help="A version: gives tags such as 1.2.3, 1.2 and 1.")
@click.option("--auto", is_flag=True, help="Take branch, version and annotations from git and the CI environment.")
@click.option(
    "--annotation", "annotations", multiple=True, metavar="NAME=VALUE", help="An annotation. Can be repeated."
)
@format_option
@registry_options
@json_option
@quiet_option
@verbose_option
def command(destination: str, images: tuple[str, ...], also: tuple[str, ...], append: bool, **how: Any) -> None:
    """Publish each IMAGE at DESTINATION (HOST/NAME[:TAG] or oci:FOLDER[:TAG]), all under one name.

    A spec is built for each of its platforms, and an IMAGE that is an index contributes all its platforms. Names are
    set after all images are uploaded. Jobs that append to the same name do not lose each other's images. What the
    first of the names there, and `latest`, say about their layers is trusted, as in a push.
    """
    from lamella.cli.progress import Told

    places = [_place(text) for text in (destination, *also)]
    names = _names(places[0].name if _is_named(destination, places[0]) else "", how)
    if append and any(place.kind != DOCKER for place in places):
        raise click.UsageError("--append needs a registry")
    home = reference_of(places[0]).registry if places[0].kind == DOCKER else ""
    with (
        Told(quiet=how["quiet"] or how["as_json"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), home=home, **reach_of(how)) as workplace,
    ):
        told.doing("looking at images")
        aim = Aim(
            [Place(place.kind, place.path, names.tags[0]) for place in places], _latest(places, names), None, told.doing
        )
        wanted = Wanted(form=names.form)
        brought = [(text, one) for text in images for one in bring(text, aim, wanted, workplace, named=False)]
        published = []
        for number, place in enumerate(aim.places):
            children = [(text, one.published[number].root) for text, one in brought]
            if append:
                root, data = _appended(place, children, names, workplace)
            else:
                root, data = _named(place, children, [], names, workplace)
            published.append({"name": place.path, "digest": root.digest, "tags": names.tags, **_platforms(data)})
    _show(published, how)


def _place(text: str) -> Place:
    spelled_out = text.startswith(tuple(f"{kind}:" for kind in KINDS))
    place = parse_place(text if spelled_out else f"docker://{text}")
    if place.kind not in (DOCKER, OCI):
        raise PlaceError(f"{place} cannot hold several images under one name; write HOST/NAME:TAG or oci:FOLDER:TAG")
    return place


def _is_named(text: str, place: Place) -> bool:
    """Whether the user wrote a tag."""
    return bool(place.name) and (place.kind == OCI or ":" in text.removeprefix("docker://").rpartition("/")[2])


def _names(tag: str, how: dict[str, Any]) -> Names:
    from lamella.cli.release import Release, release_of
    from lamella.images.index import release_tags

    found: Release = release_of(os.environ, Path()) if how["auto"] else Release()
    branch, default = how["branch"] or found.branch, how["default_branch"] or found.default_branch
    given = [tag, *how["tags"]] if tag else how["tags"]
    tags = release_tags(given, branch, default, how["release"] or found.version) or [_LATEST]
    for one in tags:
        check_tag(one)
    annotations = {**found.annotations, **dict(_pair(text) for text in how["annotations"])}
    return Names(tags, annotations, how["form"] or "")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"an annotation must be NAME=VALUE, not {text!r}")
    return name, value


def _latest(places: "Sequence[Place]", names: Names) -> "list[Reference]":
    """The images most likely to share layers with a new name: those of the default branch."""
    wanted = [place for place in places if place.kind == DOCKER and names.tags[0] != _LATEST]
    return [reference_of(Place(DOCKER, place.path, _LATEST)) for place in wanted]


def _named(
    place: Place,
    children: "Sequence[tuple[str, Descriptor]]",
    existing: "Sequence[Descriptor]",
    names: Names,
    workplace: "Workplace",
) -> "tuple[Descriptor, bytes]":
    """Publish the index of these images under all its names, and return it."""
    from lamella.destinations.publish import given
    from lamella.images.index import index_of

    root, data = index_of(children, names.annotations, existing, names.form)
    to = target_at(str(place), workplace).destination
    if not to.has(root):
        to.put(root, given(data))
    for tag in names.tags:
        to.tag(tag, root, data)
    return root, data


def _appended(
    place: Place, children: "Sequence[tuple[str, Descriptor]]", names: Names, workplace: "Workplace"
) -> "tuple[Descriptor, bytes]":
    """Publish the index of these images and of those that the name has, and return it.

    Registries have no conditional writes. So after writing, look again after a while; if another job has written in
    the meantime without these images, write again, with both.
    """
    from lamella.pipeline.remote import entries_at

    ours = {child.digest for _, child in children}
    for _ in range(_MOST_ROUNDS):
        existing = entries_at(reference_of(place), workplace.outside)
        root, data = _named(place, children, existing, names, workplace)
        time.sleep(_SETTLING * (1 + random.random()))
        if ours <= {entry.digest for entry in entries_at(reference_of(place), workplace.outside)}:
            return root, data
    raise click.ClickException(f"other jobs keep changing {place}; run again when they have finished")


def _platforms(data: bytes) -> dict[str, Any]:
    """Return the digest of each platform's image in an index."""
    from lamella.oci.platforms import spelled
    from lamella.oci.wire import Index, decode

    entries = decode(data, Index, "the index").manifests
    return {"platforms": {spelled(entry.platform): entry.digest for entry in entries if entry.platform}}


def _show(published: Sequence[dict[str, Any]], how: dict[str, Any]) -> None:
    """Show what was published at each destination; as JSON, the first is the document, and has the others in it."""
    if how["as_json"]:
        first, *others = published
        click.echo(show.as_json({**first, "also": others}))
        return
    for one in published:
        at = f"{one['name']}@{one['digest']}"
        if not how["quiet"]:
            rows = [(name, show.short(digest)) for name, digest in one["platforms"].items()]
            click.echo("\n".join(show.table(rows)))
            at = f"{at} is {', '.join(one['tags'])}"
        click.echo(at)
