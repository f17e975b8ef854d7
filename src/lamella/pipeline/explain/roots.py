"""Layers unpacked on this machine, to look into an image without a container runtime.

    roots/<diff_id>         the files of one layer, as they came; layers are stacked when they are looked at
    roots/<diff_id>.used    when it was last
    roots/<diff_id>.hides   it takes away files of layers below

A layer that the next image has too is there already.
"""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from lamella.errors import LamellaError
from lamella.oci.digest import encoded
from lamella.oci.image import Image, Layer, Progress
from lamella.staging import explained

ROOTS = "roots"
_WHITEOUT = ".wh."


class UnpackError(LamellaError):
    """A layer cannot be unpacked here."""

    exit_code = 5


def unpack(image: Image, cache: Path, progress: Progress) -> list[Path]:
    """The folders of the layers, lowest first."""
    return [_unpacked(layer, cache / ROOTS, progress) for layer in image.layers]


def _unpacked(layer: Layer, folder: Path, progress: Progress) -> Path:
    target = folder / encoded(layer.record.diff_id)
    with explained(folder, "cannot write to"):
        folder.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix=".", dir=folder) as staging:
                made = Path(staging, "root")
                made.mkdir()
                _extract(layer, made, progress)
                if next(made.rglob(f"{_WHITEOUT}*"), None):
                    target.with_suffix(".hides").touch()
                made.rename(target)
        target.with_suffix(".used").touch()
    return target


def _extract(layer: Layer, root: Path, progress: Progress) -> None:
    """tar knows how to unpack what it is not sure of; nothing that it makes lies outside `root`."""
    name, done = layer.name or layer.record.digest, 0
    command = ["tar", "-x", "-p", "--numeric-owner", "--delay-directory-restore", "-C", str(root)]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdin is not None
    into = running.stdin

    def put(block: bytes | bytearray | memoryview) -> None:
        nonlocal done
        into.write(block)
        done += len(block)
        progress(f"unpacking {name}", done, max(done, layer.record.tar_size))

    try:
        layer.content.tar(put)
    except BrokenPipeError:
        pass
    finally:
        with explained(root, "cannot unpack to"):
            said = running.communicate()[1].decode(errors="replace").strip().splitlines()
    if running.returncode:
        raise UnpackError(f"layer {name} cannot be unpacked: {said[-1] if said else 'tar says nothing'}")


def hides(folders: Iterable[Path]) -> bool:
    """Whether a layer takes away files of those below: then they cannot simply be stacked."""
    return any(folder.with_suffix(".hides").exists() for folder in folders)


def forget(cache: Path, seconds: float) -> int:
    """Removes what was not looked at for so long; returns how many layers that were."""
    count = 0
    for used in (cache / ROOTS).glob("*.used"):
        if used.stat().st_mtime <= time.time() - seconds:
            gone = used.with_suffix(".gone")
            shutil.rmtree(gone, ignore_errors=True)  # if the last run was killed
            with contextlib.suppress(FileNotFoundError):
                used.with_suffix("").rename(gone)  # so that nothing takes a part for the whole
            shutil.rmtree(gone, ignore_errors=True)
            used.with_suffix(".hides").unlink(missing_ok=True)
            used.unlink(missing_ok=True)
            count += 1
    return count
