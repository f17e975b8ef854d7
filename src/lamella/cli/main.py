"""The command line: one module a verb, imported only when it is called, so that `lamella --help` answers at once."""

import difflib
import gc
import importlib
import os
import resource
import signal
import sys
from typing import Any, NoReturn

import click

from lamella.errors import LamellaError

_GARBAGE = 50_000
"""Few of our values form cycles; looking for them less often saves a twentieth of a build."""

COMMANDS = {
    "build": "Make an image from a spec, reading only what is not known yet.",
    "lock": "Decide which packages the requirements of a spec are, and write that down.",
    "check": "Say what would go wrong when the image runs: missing libraries, requirements, modules.",
    "plan": "Say what a build would make or reuse, and why; write nothing.",
    "push": "Push an image to registries; only what is missing there is sent.",
    "index": "Bring images for several platforms under one name.",
    "pull": "Pull an image from a registry to a layout, or its layers into the cache.",
    "run": "Build, load and run an image in Docker or podman.",
    "shell": "Open a shell in an image, without a container runtime.",
    "load": "Load an image into Docker, podman or containerd; layers that it has are not sent.",
    "inspect": "Show an image's layers with their sizes, digests and packages.",
    "report": "Draw an image as a page for people: what is in it, why, and what changed.",
    "sbom": "List all that an image is made of, as SPDX or CycloneDX.",
    "diff": "Show what changed between two images, and what a user has to fetch.",
    "explain": "Say why a layer is new, which layer holds a path, or why a package is there.",
    "copy": "Copy an image between registries, layouts, archives and daemons.",
    "validate": "Hash every byte of an image again and compare.",
    "nix": "Fill in hashes in Nix files.",
    "cache": "List and prune what is remembered; fill binary caches of Nix, and fetch from them.",
    "serve": "Serve images, built when they are pulled.",
    "pin": "Keep images in a server's bucket, whatever its policies say.",
    "gc": "Remove from a server's bucket what nothing needs any more.",
    "schema": "Print the JSON Schema of lamella.toml, for editors.",
}


class Verbs(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lamella.cli.{name}").command
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f". There are: {', '.join(COMMANDS)}."
            context.fail(f"there is no command {args[0]!r}{hint}")
        return super().resolve_command(context, args)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lamella", message="lamella %(version)s")
def cli() -> None:
    """Container images whose layers follow change.

    A lamella.toml says what an image holds; `lamella build` makes it from packages and folders, layer by layer, and
    reads only what has changed.
    """


class _StoppedError(BaseException):
    """Somebody wants the command to end; it tidies up and does."""


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise _StoppedError


def _allow_many_files() -> None:
    """A layer of many packages has many open at once; the usual limit is for programs that could not know better."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Runs a command; a failure is one line on stderr and an exit code."""
    signal.signal(signal.SIGTERM, _stop)
    gc.set_threshold(_GARBAGE)
    _allow_many_files()
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("lamella: stopped", err=True)
        code = 130
    except _StoppedError:
        click.echo("lamella: stopped", err=True)
        code = 143
    except click.ClickException as error:
        click.echo(f"lamella: {error.format_message()}", err=True)
        code = error.exit_code
    except LamellaError as error:
        click.echo(click.style("lamella: ", fg="red", bold=True) + str(error), err=True)
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        click.echo(f"lamella: {error.strerror or error}{where}", err=True)
        code = 5
    sys.exit(code if isinstance(code, int) else 0)
