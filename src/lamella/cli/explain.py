"""`lamella explain`: why a package is in an image, and which layer holds a path."""

import os
from typing import TYPE_CHECKING

import click

from lamella.cli import show
from lamella.cli.common import open_workplace, view_at
from lamella.errors import LamellaError

if TYPE_CHECKING:
    from lamella.pipeline.view import ImageView


@click.command("explain")
@click.argument("what")
@click.argument("image", default="image.json")
@click.option("--since", help="The image before, to say why the layer WHAT is new.")
def command(what: str, image: str, since: str | None) -> None:
    """Say why the package WHAT is in IMAGE, which layer holds the path WHAT, or why the layer WHAT is new."""
    from lamella.closure import Closure, why
    from lamella.layers.split import part_entries
    from lamella.pipeline.workplace import entries

    view = view_at(image)
    if since:
        _explain_layer(what, view, view_at(since))
        return
    for layer in view.layers:
        for package in layer.packages:
            if what in (package.id, package.name):
                packages = tuple(view.packages.values())
                referred = {reference for other in packages for reference in other.references}
                roots = tuple(other.id for other in packages if other.id not in referred)
                chain = why(Closure(packages, roots), package.id)
                click.echo(f"{show.printable(package.id)} is in layer {show.printable(layer.name)}")
                click.echo("\n".join("  " * depth + show.printable(step) for depth, step in enumerate(chain)))
                return
    wanted = os.fsencode(what)
    for layer in reversed(view.layers):
        for part in layer.plan.parts if layer.plan else ():
            if any(entry.path == wanted for entry in part_entries(part, entries)):
                click.echo(f"{what} is in layer {show.printable(layer.name)}, from {show.printable(part.package.id)}")
                return
    raise LamellaError(f"{what} is no package of {image}, nor a path in its layers that lamella made")


def _explain_layer(name: str, new: "ImageView", old: "ImageView") -> None:
    from lamella.pipeline.compare import compare
    from lamella.pipeline.trace import changed_files

    found = compare(old, new)
    if any(layer.name == name for layer in found.kept):
        click.echo(f"layer {name} is the same in both")
        return
    change = next((change for change in found.new if change.layer.name == name), None)
    if change is None:
        raise LamellaError(f"there is no layer {name}; there are {', '.join(layer.name for layer in new.layers)}")
    before = {package.name: package for package in old.packages.values()}
    for package in change.difference.added:
        click.echo(f"+ {show.printable(package.id)} is new")
    for package in change.difference.changed:
        click.echo(f"~ {show.printable(package.id)} changed")
        for line in changed_files(before[package.name], package, open_workplace()):
            click.echo(f"    {show.printable(line)}")
    if not (change.difference.added or change.difference.changed):
        click.echo("the same packages are dealt out to layers in another way, or their rules changed")
