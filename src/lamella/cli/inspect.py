"""`lamella inspect`: an image's layers."""

from typing import Any

import click

from lamella.cli import show
from lamella.cli.common import image_argument, json_option, platform_option, reach_of, registry_options, view_at


@click.command("inspect")
@image_argument
@click.option("-p", "--packages", "with_packages", is_flag=True, help="Also list the packages of each layer.")
@click.option("--graph", is_flag=True, help="Print the closure instead, in the format of Nix's exportReferencesGraph.")
@platform_option
@registry_options
@json_option
def command(image: str, with_packages: bool, graph: bool, as_json: bool, **how: Any) -> None:
    """Show the layers of IMAGE: a spec, an image.json, or an image at a place, as in docker://HOST/NAME:TAG."""
    from lamella.oci.platforms import spelled

    view = view_at(image, how["platform"], **reach_of(how))
    if graph:
        from lamella.pipeline.explain.view import graph_of

        click.echo(show.as_json(graph_of(view)))
        return
    platform = spelled(view.platform)
    if as_json:
        layers = [
            {
                "name": layer.name,
                "diff_id": layer.record.diff_id if layer.record else None,
                "digest": layer.record.digest if layer.record else None,
                "size": layer.record.size if layer.record else None,
                "packages": [{"id": p.id, "size": p.size} for p in layer.packages],
            }
            for layer in view.layers
        ]
        click.echo(show.as_json({"name": view.name, "tag": view.tag, "platform": platform, "layers": layers}))
        return
    click.echo(click.style(f"{view.reference}  {platform}", bold=True))
    for layer in view.layers:
        record = layer.record
        what = f"{show.short(record.digest)}  {show.size(record.size):>8}" if record else "not made yet" + " " * 10
        count = f"  {show.plural(len(layer.packages), 'package')}" if layer.packages else ""
        click.echo(f"  {what}  {show.printable(layer.name)}{count}")
        for package in layer.packages if with_packages else ():
            click.echo(f"      {show.size(package.size):>8}  {show.printable(package.id)}")
