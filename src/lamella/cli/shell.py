"""`lamella shell`: a shell inside an image, without a container runtime where the kernel allows it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamella.cli.common import (
    cache_folder,
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
    from lamella.oci.image import Image

_SHELLS = ("/bin/bash", "/bin/sh", "/bin/busybox")
_MOUNTS = """set -e
mount -t overlay overlay -o "$1" "$2" 2>/dev/null || mount -t overlay overlay -o "$1,userxattr" "$2"
for place in dev proc sys; do mkdir -p "$2/$place"; mount --rbind "/$place" "$2/$place"; done
for file in /etc/resolv.conf /etc/hosts; do
    mkdir -p "$2/etc"; rm -f "$2$file"; cp "$file" "$2$file" 2>/dev/null || true
done
cd "$3"
shift 3
exec "$@"
"""


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
    from lamella.pipeline import roots

    with (
        Told(quiet=how["quiet"], verbose=how["verbose"]) as told,
        reaching_out(open_workplace(progress=told.progress), **reach_of(how)) as place,
    ):
        told.doing(f"looking at {image}")
        found = _image(image, layer, how["platform"], place)
        folders = roots.unpack(found, cache_folder(), told.progress)
    if roots.hides(folders):
        raise click.ClickException("a layer of the base takes files of another away; use lamella run for this image")
    sys.stdout.flush()
    sys.exit(_inside(found, folders, arguments))


def _image(text: str, layer: str | None, platform: str, place: Any) -> "Image":
    from lamella import pipeline
    from lamella.cli.images import Wanted, image_at

    if layer:
        return pipeline.build(draft_at(text, place, platform=platform).only(layer, below=True), place).image
    return image_at(text, place, Wanted(platform)).image


def _inside(image: "Image", folders: list[Path], arguments: tuple[str, ...]) -> int:
    config = image.config.config
    with tempfile.TemporaryDirectory(prefix="lamella-", ignore_cleanup_errors=True) as name:
        top = Path(name)
        for part in ("root", "upper", "work"):
            (top / part).mkdir()
        layers = [os.path.relpath(folder, cache_folder() / "roots") for folder in reversed(folders)]
        options = f"lowerdir={':'.join(layers)},upperdir={top / 'upper'},workdir={top / 'work'}"
        told = [*config.env, f"TERM={os.environ.get('TERM', 'dumb')}", "HOME=/root"]
        if not any(entry.startswith("PATH=") for entry in told):
            told.append("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        inner = ["chroot", str(top / "root"), "/usr/bin/env", "-i", *told, *(arguments or _shell(folders))]
        if not _has(folders, "/usr/bin/env"):
            inner = ["env", "-i", *told, "/usr/sbin/chroot", str(top / "root"), *(arguments or _shell(folders))]
        where = [str(top / "root"), str(cache_folder() / "roots")]
        as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        command = ["unshare", *as_root, "--mount", "--fork", "sh", "-c", _MOUNTS, "sh", options, *where, *inner]
        ran = subprocess.run(command, cwd=cache_folder() / "roots", check=False)
        return ran.returncode


def _has(folders: list[Path], path: str) -> bool:
    return any(os.path.lexists(f"{folder}{path}") for folder in folders)


def _shell(folders: list[Path]) -> list[str]:
    for shell in _SHELLS:
        if _has(folders, shell) or _has(folders, f"/usr{shell}"):
            return [shell, "sh"] if shell.endswith("busybox") else [shell]
    raise click.ClickException("there is no shell in the image; say what to run after --")
