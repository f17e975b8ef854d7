"""`lamella explain`: why a package is in an image, and which layer holds a path."""

import os

import click

from lamella.cli import show
from lamella.cli.common import view_at
from lamella.errors import LamellaError


@click.command("explain")
@click.argument("what")
@click.argument("image", default="image.json")
def command(what: str, image: str) -> None:
    """Say why the package WHAT is in IMAGE, or which layer holds the path WHAT."""
    from lamella.closure import Closure, why
    from lamella.layers.split import part_entries
    from lamella.pipeline.workplace import entries

    view = view_at(image)
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
