"""Runs a command inside an image on this machine: the layers are mounted in a namespace of their own."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamella.cli.common import cache_folder

if TYPE_CHECKING:
    from lamella.oci.image import Image, Progress

_MOUNTS = """set -e
mount -t overlay overlay -o "$1" "$2" 2>/dev/null || mount -t overlay overlay -o "$1,userxattr" "$2"
for place in dev proc sys; do
    [ -L "$2/$place" ] || { mkdir -p "$2/$place"; mount --rbind "/$place" "$2/$place"; }
done
[ -L "$2/etc" ] || for file in resolv.conf hosts; do
    mkdir -p "$2/etc"; rm -f "$2/etc/$file"; [ -e "$2/etc/$file" ] || cp "/etc/$file" "$2/etc/$file" 2>/dev/null || true
done
cd "$2"
shift 2
exec "$@"
"""
"""The content of the image is not trusted: a link in it may lead anywhere on this machine, and is left alone."""

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def unpacked(image: "Image", progress: "Progress") -> list[Path]:
    """Unpack the image's layers and return their folders, lowest first."""
    from lamella.cache import roots

    folders = roots.unpack(image, cache_folder(), progress)
    if roots.hides(folders):
        raise click.ClickException("a layer of the base removes files of another; use lamella run for this image")
    return folders


def is_possible() -> bool:
    """Whether the kernel lets this user mount overlays."""
    command = [*_unshare(), "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run_inside(
    image: "Image", folders: Sequence[Path], arguments: Sequence[str], given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in the image, with the image's environment; what it writes is gone afterwards.

    If `given` is passed to it on stdin, its output is captured; otherwise it uses the user's terminal, and Ctrl-C is
    left to it. It never outlives this process.
    """
    with (
        contextlib.nullcontext() if given is not None else _interrupts_ignored(),
        tempfile.TemporaryDirectory(prefix="lamella-", ignore_cleanup_errors=True) as name,
    ):
        top = Path(name)
        for part in ("root", "upper", "work", "layers"):
            (top / part).mkdir()
        short = top / "layers"  # the kernel takes no more than a page of options
        for number, folder in enumerate(folders):
            (short / str(number)).symlink_to(folder.absolute())
        layers = ":".join(str(number) for number in reversed(range(len(folders))))
        options = f"lowerdir={layers},upperdir={top / 'upper'},workdir={top / 'work'}"
        told = [*image.config.config.env, f"TERM={os.environ.get('TERM', 'dumb')}", "HOME=/root"]
        if not any(entry.startswith("PATH=") for entry in told):
            told.append(_PATH)
        if has(folders, "/usr/bin/env"):
            inner = ["chroot", str(top / "root"), "/usr/bin/env", "-i", *told, *arguments]
        else:
            inner = ["env", "-i", *told, "/usr/sbin/chroot", str(top / "root"), *arguments]
        command = [*_unshare(), "sh", "-c", _MOUNTS, "sh", options, str(top / "root")]
        return subprocess.run([*command, *inner], cwd=short, input=given, capture_output=given is not None, check=False)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore SIGINT here, but not in programs that are started meanwhile, which would inherit `SIG_IGN`."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def has(folders: Sequence[Path], path: str) -> bool:
    """Whether a layer holds a file at `path`."""
    return any(os.path.lexists(f"{folder}{path}") for folder in folders)


def _unshare() -> list[str]:
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_root, "--mount", "--kill-child"]
