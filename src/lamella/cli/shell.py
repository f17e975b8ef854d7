"""`lamella shell`: a shell inside an image, without a container runtime where the kernel allows it."""

import sys
from typing import TYPE_CHECKING, Any

import click

from lamella.cli import inside
from lamella.cli.common import (
    draft_at,
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

    from lamella.oci.image import Image
    from lamella.pipeline.workplace import Workplace

_SHELLS = ("/bin/bash", "/bin/sh", "/bin/busybox")


@click.command("shell")
@click.argument("image", default=".")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND]")
@click.option("--layer", metavar="NAME", help="Only up to that layer of a spec.")
@platform_option
@registry_options
@quiet_option
@verbose_option
def command(image: str, arguments: tuple[str, ...], layer: str | None, **how: Any) -> None:
    """Open a shell in IMAGE (a spec, an image.json, or an image at a place), or run COMMAND there.

    The image's files are seen as they will be, with its environment; what is written is gone afterwards. Nothing is
    kept apart but the files: it is for looking and trying, not for running what is not trusted.
    """
    from lamella.cli.progress import Told

    if not inside.is_possible():
        raise click.ClickException(
            "this kernel does not let you look inside without a container runtime; "
            f"use lamella run {image} --options '-it --entrypoint sh'"
        )
    with (
        Told(quiet=how["quiet"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing(f"looking at {image}")
        found = image_of(image, layer, how["platform"], place)
        folders = inside.unpacked(found, told.progress)
    sys.stdout.flush()
    sys.exit(inside.run_inside(found, folders, arguments or _shell(folders)).returncode)


def image_of(text: str, layer: str | None, platform: str, place: "Workplace") -> "Image":
    """The image at a place, or a spec's up to a layer."""
    from lamella import pipeline
    from lamella.cli.images import Wanted, image_at

    if layer:
        return pipeline.build(draft_at(text, place, platform=platform).only(layer, below=True), place).image
    return image_at(text, place, Wanted(platform)).image


def _shell(folders: "Sequence[Path]") -> list[str]:
    for shell in _SHELLS:
        if inside.has(folders, shell) or inside.has(folders, f"/usr{shell}"):
            return [shell, "sh"] if shell.endswith("busybox") else [shell]
    raise click.ClickException("there is no shell in the image; say what to run after --")
