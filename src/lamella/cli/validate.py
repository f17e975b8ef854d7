"""`lamella validate`: every byte hashed again."""

import click

from lamella.cli import show
from lamella.cli.common import json_option


@click.command("validate")
@click.argument("image", default=".")
@json_option
def command(image: str, as_json: bool) -> None:
    """Hash every byte of IMAGE again; layers that are only recipes are made again and compared."""
    from lamella.cli.copy import image_at
    from lamella.oci.validate import validate

    found = image_at(image).image
    problems = validate(found)
    if as_json:
        told = [{"layer": problem.layer, "message": problem.message} for problem in problems]
        click.echo(show.as_json({"problems": told, "layers": len(found.layers)}))
    else:
        for problem in problems:
            click.echo(problem.message)
        click.echo(f"{show.plural(len(found.layers), 'layer')}, {show.plural(len(problems), 'problem')}")
    if problems:
        raise click.exceptions.Exit(4)
