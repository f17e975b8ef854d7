"""`lamella shell`: a shell inside an image, without a container runtime if the kernel allows it."""

import shlex
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lamella.cli import inside, run
from lamella.cli.common import (
    WithArguments,
    exit_code,
    image_argument,
    layer_option,
    open_workplace,
    platform_option,
    quiet_option,
    reach_of,
    reaching_out,
    registry_options,
    verbose_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SHELLS = ("/bin/bash", "/bin/sh", "/bin/busybox")


@click.command("shell", cls=WithArguments)
@image_argument
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND]")
@platform_option
@layer_option
@registry_options
@quiet_option
@verbose_option
def command(image: str, arguments: tuple[str, ...], **how: Any) -> None:
    """Open a shell in IMAGE (a spec, an image.json, or an image at a place), or run COMMAND there.

    You see the image's files as they will be, with its environment; what you write is gone afterwards. Only the files
    are isolated: use it to look and try, not to run untrusted code. If the kernel does not let users do this, Docker
    or podman is used.
    """
    from lamella.cli.images import Wanted, image_at
    from lamella.cli.progress import Told

    if not inside.is_possible():
        _in_container(image, arguments, how)
    with (
        Told(quiet=how["quiet"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing(f"looking at {image}")
        found = image_at(image, place, Wanted(how["platform"], layer=how["layer"])).image
        folders = inside.unpacked(found, told.progress)
    sys.stdout.flush()
    sys.exit(exit_code(inside.run_inside(found, folders, arguments or _shell(folders))))


def _in_container(image: str, arguments: tuple[str, ...], how: dict[str, Any]) -> NoReturn:
    """Do the same in Docker or podman, which load the image first."""
    program, *rest = arguments or ("sh",)
    options = f"--entrypoint {shlex.quote(program)}"
    told = [f"--{name}={how[name]}" for name in ("platform", "layer", "ca") if how[name]]
    told += [f"--creds={one}" for one in how["creds"]]
    told += [f"--{name}" for name in ("insecure", "quiet", "verbose") if how[name]]
    run.command.main([image, f"--options={options}", *told, "--", *rest], standalone_mode=False)
    raise AssertionError


def _shell(folders: "Sequence[Path]") -> list[str]:
    for shell in _SHELLS:
        if inside.has(folders, shell) or inside.has(folders, f"/usr{shell}"):
            return [shell, "sh"] if shell.endswith("busybox") else [shell]
    raise click.ClickException("no shell in the image; name a command after --")
