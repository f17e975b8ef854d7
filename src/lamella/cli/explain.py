"""`lamella explain`: why a package is in an image, which layer holds a path, and why a layer is new."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import show
from lamella.cli.common import (
    json_option,
    open_workplace,
    platform_option,
    reaching_out,
    registry_options,
    seen_at,
)
from lamella.cli.completing import IMAGE, layers_and_packages
from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.pipeline.explain.view import ImageView
    from lamella.pipeline.workplace import Workplace


@click.command("explain")
@click.argument("what", shell_complete=layers_and_packages)
@click.argument("image", default="image.json", type=IMAGE)
@click.option("--since", metavar="IMAGE", type=IMAGE, help="The previous image, to explain why the layer WHAT is new.")
@platform_option
@registry_options
@json_option
def command(what: str, image: str, since: str | None, platform: str, as_json: bool, **reach: Any) -> None:
    """Explain why the package WHAT is in IMAGE, which layer holds the path WHAT, or why the layer WHAT is new."""
    with reaching_out(open_workplace(), **reach) as place:
        view, _ = seen_at(image, place, platform)
        if since:
            told = _layer(what, view, seen_at(since, place, platform)[0], place)
            lines = _layer_lines(told)
        else:
            told = _package(what, view) or _path(what, view, place)
            lines = _found_lines(told)
    if not told:
        layer = any(layer.name == what for layer in view.layers)
        hint = "; it is a layer: pass --since IMAGE to see why it is new" if layer else _meant(what, view)
        raise LamellaError(f"{what} is not a package of {image}, nor a path in its layers that lamella made{hint}")
    click.echo(show.as_json(told) if as_json else "\n".join(lines))


def _meant(what: str, view: "ImageView") -> str:
    """A hint at the package or layer with the most similar name."""
    names = [*(layer.name for layer in view.layers), *(package.name for package in view.packages.values())]
    return show.meant(what, names)


def _package(what: str, view: "ImageView") -> dict[str, Any]:
    """Return the layer of the package with that name or id, and the chain of references that led to it."""
    from lamella.closure import why
    from lamella.pipeline.explain.view import closure_of

    for layer in view.layers:
        for package in layer.packages:
            if what in (package.id, package.name):
                chain = why(closure_of(view), package.id)
                return {"package": package.id, "layer": layer.name, "chain": list(chain)}
    return {}


def _path(what: str, view: "ImageView", place: "Workplace") -> dict[str, Any]:
    """Return the topmost layer that has a path, and the package that the path is from."""
    from lamella.layers.split import part_entries
    from lamella.pipeline.draft import Where
    from lamella.pipeline.packages.fetching import entries_from

    wanted = os.fsencode(what)
    for layer in reversed(view.layers):
        for part in layer.plan.parts if layer.plan else ():
            if any(entry.path == wanted for entry in part_entries(part, entries_from(Where(), place))):
                return {"path": what, "layer": layer.name, "from": part.package.id}
    return {}


def _layer(name: str, new: "ImageView", old: "ImageView", place: "Workplace") -> dict[str, Any]:
    """Return what is different in a layer, down to the file."""
    from lamella.pipeline.explain.compare import compare
    from lamella.pipeline.explain.trace import changed_files

    found = compare(old, new)
    if any(layer.name == name for layer in found.kept):
        return {"layer": name, "same": True, "added": [], "changed": []}
    change = next((change.difference for change in found.new if change.layer.name == name), None)
    if change is None:
        raise LamellaError(
            f"no layer named {name!r} in the new image; there are: {', '.join(layer.name for layer in new.layers)}"
        )
    before = {package.name: package for package in old.packages.values()}
    return {
        "layer": name,
        "same": False,
        "added": [package.id for package in change.added],
        "changed": [
            {"package": package.id, "files": list(changed_files(before[package.name], package, place))}
            for package in change.changed
        ],
    }


def _found_lines(told: dict[str, Any]) -> Iterator[str]:
    if "path" in told:
        path, layer, package = (show.printable(told[name]) for name in ("path", "layer", "from"))
        yield f"{path} is in layer {layer}, from {package}"
    elif told:
        yield f"{show.printable(told['package'])} is in layer {show.printable(told['layer'])}"
        yield from ("  " * depth + show.printable(step) for depth, step in enumerate(told["chain"]))


def _layer_lines(told: dict[str, Any]) -> Iterator[str]:
    if told["same"]:
        yield f"layer {told['layer']} is the same in both"
        return
    for package in told["added"]:
        yield f"+ {show.printable(package)} is new"
    for change in told["changed"]:
        yield f"~ {show.printable(change['package'])} changed"
        yield from (f"    {show.printable(line)}" for line in change["files"])
    if not (told["added"] or told["changed"]):
        yield "the packages are the same, but regrouped, or under other rules"
