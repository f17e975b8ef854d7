"""`lamella run`: builds, loads and runs an image in Docker, in one go."""

import os
import shlex
import shutil
import sys
from typing import Any

import click

from lamella.cli.common import quiet_option, registry_options, verbose_option
from lamella.cli.load import address, loaded


@click.command("run")
@click.argument("image")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("--docker", "options", default="", metavar="OPTIONS", help='Options of docker run, as in "-p 8080:80".')
@registry_options
@quiet_option
@verbose_option
def command(image: str, arguments: tuple[str, ...], options: str, quiet: bool, verbose: bool, **reach: Any) -> None:
    """Run IMAGE (a spec, an image.json, or an image at a place) in Docker, with ARGUMENTS for its program.

    The container is removed when the program ends, and its exit code is that of the program.
    """
    from lamella.cli.progress import Told

    with Told(quiet=quiet, verbose=verbose) as told:
        name, _ = loaded(image, None, told, reach)
    program = shutil.which("docker")
    if program is None:
        raise click.ClickException("the docker command is not there to run the image; install it, or use lamella load")
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    try:
        chosen = shlex.split(options)
    except ValueError as error:
        raise click.UsageError(f"--docker {options!r}: {error}") from error
    sys.stdout.flush()
    line = [program, "--host", address(os.environ), "run", "--rm", *terminal, *chosen, name, *arguments]
    os.execv(program, line)
