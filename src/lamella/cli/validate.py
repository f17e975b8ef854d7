"""`lamella validate`: every byte hashed again."""

from typing import Any

import click

from lamella.cli import show
from lamella.cli.common import json_option, open_workplace, quiet_option, reaching_out, registry_options


@click.command("validate")
@click.argument("image", default=".")
@registry_options
@json_option
@quiet_option
def command(image: str, as_json: bool, quiet: bool, **reach: Any) -> None:
    """Hash every byte of IMAGE again; layers that are only recipes are made again and compared."""
    from lamella.cli.images import image_at
    from lamella.cli.progress import Told
    from lamella.oci.validate import validate

    with (
        Told(quiet=quiet or as_json) as told,
        reaching_out(open_workplace(progress=told.progress), **reach) as place,
    ):
        found = image_at(image, place).image
        problems = validate(found, told.progress)
    if as_json:
        wrong = [{"layer": problem.layer, "message": problem.message} for problem in problems]
        click.echo(show.as_json({"problems": wrong, "layers": len(found.layers)}))
    else:
        for problem in problems:
            click.echo(show.printable(problem.message))
        if not quiet:
            click.echo(f"{show.plural(len(found.layers), 'layer')}, {show.plural(len(problems), 'problem')}")
    if problems:
        raise click.exceptions.Exit(4)
