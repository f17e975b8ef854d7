"""`lamella schema`: the JSON Schema from which editors complete lamella.toml."""

import click

from lamella.cli import show


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of lamella.toml."""
    from lamella.spec.schema import schema

    click.echo(show.as_json(schema()))
