"""`lamella run`: builds, loads and runs an image in Docker or podman, in one go."""

import os
import shlex
import shutil
import sys
from typing import Any

import click

from lamella.cli.common import (
    WithArguments,
    image_argument,
    layer_option,
    platform_option,
    quiet_option,
    registry_options,
    verbose_option,
)
from lamella.cli.load import loaded


@click.command("run", cls=WithArguments)
@image_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option(
    "--options", default="", metavar="OPTIONS", help='Options for docker run or podman run, as in "-p 8080:80".'
)
@click.option(
    "--into",
    type=click.Choice(["docker", "podman"]),
    help="What runs it [default: docker if installed, otherwise podman].",
)
@platform_option
@layer_option
@registry_options
@quiet_option
@verbose_option
def command(image: str, arguments: tuple[str, ...], quiet: bool, verbose: bool, **how: Any) -> None:
    """Run IMAGE (a spec, an image.json, or an image at a place), with ARGUMENTS for its program.

    The container is removed when the program ends; the exit code is that of the program.
    """
    from lamella.cli.progress import Told

    runner = how["into"] or ("docker" if shutil.which("docker") or not shutil.which("podman") else "podman")
    program = shutil.which(runner)
    if program is None:
        raise click.ClickException(f"{runner} is not installed; install it to run the image, or use lamella load")
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    try:
        chosen = shlex.split(how["options"])
    except ValueError as error:
        raise click.UsageError(f"--options {how['options']!r}: {error}") from error
    with Told(quiet=quiet, verbose=verbose) as told:
        name, _ = loaded(image, None, runner, told, how)
    sys.stdout.flush()
    line = [program, "run", "--rm", *terminal, *chosen, name, *arguments]
    os.execv(program, line)
