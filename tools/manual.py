"""The manual pages in docs/man, made from the commands: `make docs` writes them, and `man lamella` shows them.

A page for `lamella`, and one for each command, with its commands if it has any. The language is that of man(7).
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from lamella.cli.main import COMMANDS, cli
from tools.reference.errors import MEANINGS

FOLDER = Path(__file__).parents[1] / "docs" / "man"

_SIGNS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "~": "\\(ti", "^": "\\(ha"}
"""Characters that troff would show differently."""

_ENVIRONMENT = {
    "LAMELLA_CACHE": "The folder of the cache; if not set, `lamella` in the user's cache folder.",
    "LAMELLA_CREDS": "Credentials for registries: `[HOST=]NAME:PASSWORD`, one per line.",
    "LAMELLA_NIX_SECRET": "The key that signs packages pushed to a Nix binary cache.",
    "DOCKER_HOST, CONTAINERD_ADDRESS": "Where the daemons listen, as for their own programs.",
    "NO_COLOR": "Print no colours.",
}


def pages() -> dict[str, str]:
    """Return all pages by the names of their files."""
    context = click.Context(cli, info_name="lamella")
    found = {"lamella.1": _text(_top())}
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, parent=context, info_name=name)
        found[f"lamella-{name}.1"] = _text(_page(name, command, inner))
    return found


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _top() -> Iterator[str]:
    yield from _heading("lamella", "container images whose layers follow change")
    yield from (".B lamella", _plain("COMMAND [OPTIONS] [ARGUMENTS]"), ".SH DESCRIPTION")
    yield from _paragraphs(inspect.cleandoc(cli.help or ""))
    yield ".SH COMMANDS"
    for name, said in COMMANDS.items():
        yield from (".TP", f".BR lamella\\-{name} (1)", _plain(said))
    yield ".SH ENVIRONMENT"
    for name, said in _ENVIRONMENT.items():
        yield from (".TP", f".B {name}", _plain(said))
    yield ".SH EXIT STATUS"
    for code, said in MEANINGS.items():
        yield from (".TP", f".B {code}", _plain(said))
    yield from (".SH EXAMPLES", ".nf", "lamella build", "lamella push . registry.example.com/team/app:v1", ".fi")


def _page(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield from _heading(f"lamella-{name}", COMMANDS[name].removesuffix("."))
    yield from _synopsis(command, context)
    yield ".SH DESCRIPTION"
    yield from _paragraphs(inspect.cleandoc(command.help or ""))
    yield from _options(command, context, ".SH OPTIONS")
    for inner_name, inner in command.commands.items() if isinstance(command, click.Group) else ():
        if not inner.hidden:
            below = click.Context(inner, parent=context, info_name=inner_name)
            yield f".SH LAMELLA {name.upper()} {_plain(inner_name.upper())}"
            yield from _synopsis(inner, below)
            yield ".PP"
            yield from _paragraphs(inspect.cleandoc(inner.help or ""))
            yield from _options(inner, below, ".SS Options")
    yield from (".SH SEE ALSO", ".BR lamella (1)")


def _heading(name: str, said: str) -> Iterator[str]:
    yield f'.TH {_plain(name.upper())} 1 "" "lamella" "User Commands"'
    yield from (".SH NAME", f"{_plain(name)} \\- {_plain(said)}", ".SH SYNOPSIS")


def _synopsis(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f".B {_plain(context.command_path)}"
    yield _plain(" ".join(command.collect_usage_pieces(context)))


def _options(command: click.Command, context: click.Context, heading: str) -> Iterator[str]:
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    for number, (option, said) in enumerate(record for record in records if record):
        if number == 0:
            yield heading
        yield from (".TP", f".B {_plain(option)}", _plain(said))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        yield _plain(" ".join(paragraph.split()))


def _plain(text: str) -> str:
    """Return `text` in the form for a page: bold between backticks, and without troff requests."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("~", "\\(ti").replace("^", "\\(ha")
    )
    text = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", text)
    return f"\\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, page in pages().items():
        (FOLDER / name).write_text(page)
