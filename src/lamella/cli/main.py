"""The command line: one module per command, imported only when it is called, so that `lamella --help` is fast."""

import difflib
import errno
import gc
import importlib
import io
import os
import resource
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lamella.errors import LamellaError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_GARBAGE = 50_000
"""Few of our values form cycles; looking for cycles less often saves 5 % of a build."""

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_OF_SIGNALS = 128
_CURSOR_SHOWN = b"\x1b[?25h\n"
_FRESH_LINE = "\r\x1b[K"
"""Overwrites the `^C` that the terminal shows."""
_FULL = (errno.ENOSPC, errno.EDQUOT)

COMMANDS = {
    "build": "Build an image from a spec; read only what has changed.",
    "lock": "Resolve the requirements of a spec to packages, and write them to lamella.lock.",
    "check": "Find what would go wrong when the image runs: missing libraries, requirements, modules.",
    "plan": "Show what a build would make or reuse, and why; write nothing.",
    "push": "Push an image to registries; upload only what is missing there.",
    "index": "Publish images for several platforms under one name.",
    "pull": "Pull an image from a registry to a layout, or its layers into the cache.",
    "run": "Build, load and run an image in Docker or podman.",
    "shell": "Open a shell in an image, without a container runtime.",
    "load": "Load an image into Docker, podman or containerd; send only the layers that are missing.",
    "inspect": "Show an image's layers with their sizes, digests and packages.",
    "report": "Show an image as an HTML page: what is in it, why, and what changed.",
    "sbom": "List everything that an image is made of, as SPDX or CycloneDX.",
    "diff": "Show what changed between two images, and how much a user has to download.",
    "explain": "Explain why a layer is new, which layer holds a path, or why a package is there.",
    "copy": "Copy an image between registries, layouts, archives and daemons.",
    "validate": "Check an image: hash every byte again and compare.",
    "nix": "Fill in hashes in Nix files.",
    "cache": "List and prune the cache; fill Nix binary caches and download from them.",
    "serve": "Run a registry that builds images when they are pulled.",
    "pin": "Keep images in a server's bucket, whatever its policies say.",
    "gc": "Remove what is no longer needed from a server's bucket.",
    "schema": "Print the JSON Schema of lamella.toml, for editors.",
    "doctor": "Check what lamella works with, and say how to fix what is wrong.",
    "completion": "Print the completion script for bash, zsh or fish.",
}


class Verbs(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lamella.cli.{name}").command
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not context.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else "; see lamella --help"
            context.fail(f"no such command {args[0]!r}{hint}")
        return super().resolve_command(context, args)

    def shell_complete(self, context: click.Context, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        commands = [(name, said) for name, said in COMMANDS.items() if name.startswith(incomplete)]
        options = [] if commands else click.Command.shell_complete(self, context, incomplete)
        return [*(CompletionItem(name, help=said) for name, said in commands), *options]

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lamella", message="lamella %(version)s")
def cli() -> None:
    """Container images whose layers follow change.

    A lamella.toml describes what is in an image; `lamella build` makes it from packages and folders, layer by layer,
    and reads only what has changed.
    """


class _StoppedError(BaseException):
    """A signal asked the command to end; it cleans up first."""

    def __init__(self, number: int) -> None:
        self.exit_code = _OF_SIGNALS + number


def _stop(number: int, _frame: object) -> NoReturn:
    for signal_number in _STOPPING:
        signal.signal(signal_number, _stop_at_once)
    raise _StoppedError(number)


def _stop_at_once(number: int, _frame: object) -> NoReturn:
    """Exit at a second signal. Half-written files are only staged, and the next run removes them."""
    if _is_seen():
        os.write(sys.stderr.fileno(), _CURSOR_SHOWN)
    os._exit(_OF_SIGNALS + number)


def _allow_many_files() -> None:
    """Raise the soft limit: a layer of many packages has many files open at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Run a command; a failure is one line on stderr and an exit code."""
    for number in _STOPPING:
        signal.signal(number, _stop)
    gc.set_threshold(_GARBAGE)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    _allow_many_files()
    try:
        code = cli.main(prog_name="lamella", standalone_mode=False, color=_colour())
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = error.exit_code
    except click.ClickException as error:
        _say(_with_help(error))
        code = error.exit_code
    except _StoppedError as error:
        _say("stopped", _FRESH_LINE if _is_seen() else "")
        code = error.exit_code
    except LamellaError as error:
        _say(f"{error}{_hint(error)}")
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"{where}{error.strerror or error}{_hint(error)}")
        code = 5
    sys.exit(code if isinstance(code, int) else 0)


def _say(what: str, before: str = "") -> None:
    click.echo(f"{before}{click.style('lamella: ', fg='red', bold=True)}{what}", err=True, color=_colour())


def _is_seen() -> bool:
    """Whether stderr is a terminal that can do more than print."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _colour() -> bool | None:
    """False where colours are unwanted or cannot be shown; otherwise None, and click decides."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def _with_help(error: click.ClickException) -> str:
    """The message; if it is one of click's and suggests nothing better, with where to find help."""
    said = error.format_message()
    ours = type(error) is click.UsageError and not said.startswith("Got ")
    if ours or not isinstance(error, click.UsageError) or error.ctx is None or "Did you mean" in said:
        return said
    return f"{' '.join(said.split()).removesuffix('.')}; see {error.ctx.command_path} --help"


def _hint(error: BaseException) -> str:
    """What to do if a disk is full, or the cache cannot be written."""
    from lamella.cli.common import cache_folder

    cause = next((one for one in _causes(error) if isinstance(one, OSError)), None)
    if cause and cause.errno in _FULL:
        return "; free some space: lamella cache prune removes old builds, and $LAMELLA_CACHE sets where the cache is"
    return "; $LAMELLA_CACHE sets where the cache is" if cause and str(cache_folder()) in str(error) else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, each once: some name themselves as their cause."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__
