"""The page on the commands: what `--help` says of each."""

import inspect
from collections.abc import Iterator

import click

from lamella.cli.main import COMMANDS, cli

_OPENING = """\
# Commands

<!-- Made by `make docs`. -->

An IMAGE is a spec (`lamella.toml`, or the folder that it is in), an `image.json` or `layers.json`, or a place:

| place | what is there |
| --- | --- |
| `oci:FOLDER[:TAG]` | an OCI image layout |
| `oci-archive:FILE[:TAG]` | the same in a tar; written to stdout where FILE is `-` |
| `docker-archive:FILE[:NAME:TAG]` | what `docker save` writes and `docker load` reads; `-` likewise |

What is remembered lies in `$LAMELLA_CACHE`, else in `lamella` in the user's cache folder (`$XDG_CACHE_HOME`). Results
go to stdout, and what is told meanwhile to stderr. [Exit codes](errors.md) tell scripts what went wrong.
"""


def page() -> str:
    """The page as Markdown."""
    context = click.Context(cli, info_name="lamella")
    sections: list[str] = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        sections += _sections(command, click.Context(command, info_name=f"lamella {name}"))
    return "\n".join([_OPENING, *sections])


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield "\n".join(_section(command, context))
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _sections(inner, click.Context(inner, info_name=f"{context.info_name} {name}"))


def _section(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.info_name}`\n"
    yield f"    {' '.join([str(context.info_name), *command.collect_usage_pieces(context)])}\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    options = [record for record in records if record]
    if options:
        yield "| option | |"
        yield "| --- | --- |"
        for option, meaning in options:
            yield f"| `{option}` | {meaning.replace('|', '&#124;')} |"
        yield ""
