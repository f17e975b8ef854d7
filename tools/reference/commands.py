"""The page on the commands, with the `--help` of each."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from lamella.cli.main import COMMANDS, cli

_OPENING = """\
# Commands

<!-- Made by `make docs`. -->

An IMAGE is a spec (`lamella.toml`, or the folder that it is in), an `image.json` or `layers.json`, or a place:

| place | meaning |
| --- | --- |
| `docker://HOST/NAME[:TAG]`, `docker://HOST/NAME@DIGEST` | an image in a registry |
| `oci:FOLDER[:TAG]` | an OCI image layout |
| `oci-archive:FILE[:TAG]` | the same in a tar; `-` is stdout or stdin |
| `docker-archive:FILE[:NAME:TAG]` | what `docker save` writes and `docker load` reads; `-` likewise |
| `dir:FOLDER` | plain files, as skopeo writes them |
| `docker-daemon:NAME`, `podman:NAME`, `containerd:NAME` | an image of [a daemon](../shipping.md#places) |

The cache is in `$LAMELLA_CACHE`, or if that is not set, in `lamella` in the user's cache folder (`$XDG_CACHE_HOME`).
Results go to stdout, messages and progress to stderr. [Exit codes](errors.md) tell scripts what went wrong.

| command | what it does |
| --- | --- |
"""

_USUAL = """\
## Common options

| option | meaning |
| --- | --- |
"""
_LONG = re.compile("--[a-z-]+")
_MANY = 5
"""Options that at least this many commands have, with the same meaning, are described once."""

Option = tuple[str, str]


def page() -> str:
    """Return the page as Markdown."""
    whole = click.Context(cli, info_name="lamella")
    found = [one for name in COMMANDS for one in _below(name, whole)]
    times = Counter(option for command, context in found for option in _options(command, context))
    usual = [option for option, count in times.items() if count >= _MANY]
    summaries = "".join(f"| [`{name}`](#lamella-{name}) | {summary} |\n" for name, summary in COMMANDS.items())
    sections = ["\n".join(_section(command, context, usual)) for command, context in found]
    return "\n".join([_OPENING + summaries, _USUAL + "".join(map(_row, usual)), *sections])


def _below(name: str, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield a command and its subcommands."""
    assert isinstance(context.command, click.Group)
    command = context.command.get_command(context, name)
    assert command is not None
    here = click.Context(command, info_name=f"{context.info_name} {name}")
    yield command, here
    for inner in command.commands if isinstance(command, click.Group) else ():
        yield from _below(inner, here)


def _options(command: click.Command, context: click.Context) -> list[Option]:
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    return [record for record in records if record]


def _section(command: click.Command, context: click.Context, usual: Sequence[Option]) -> Iterator[str]:
    yield f"## `{context.info_name}`\n"
    yield f"    {' '.join([str(context.info_name), *command.collect_usage_pieces(context)])}\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    options = _options(command, context)
    own = [option for option in options if option not in usual]
    if own:
        yield "| option | meaning |\n| --- | --- |"
        yield "".join(map(_row, own))
    shared = [f"`{_LONG.findall(name)[0]}`" for name, meaning in options if (name, meaning) in usual]
    if shared:
        yield f"Also {', '.join(shared)}: see [common options](#common-options).\n"


def _row(option: Option) -> str:
    name, meaning = option
    return f"| `{name}` | {meaning.replace('|', '&#124;')} |\n"
