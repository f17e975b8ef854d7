"""Layers unpacked on this machine, to look into an image without a container runtime.

    roots/<diff_id>         the files of one layer; layers are stacked when someone looks into an image
    roots/<diff_id>.used    when the layer was last used
    roots/<diff_id>.hides   the layer removes files of layers below
    roots/.<random>         being unpacked or removed
    roots/git-...           commits of git sources, which the server puts here to have them pruned as a whole

A layer that several images share is unpacked once.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from lamella.cache.bucket import Item
from lamella.errors import LamellaError
from lamella.oci.digest import encoded
from lamella.oci.image import Image, Layer, Progress
from lamella.staging import explained

ROOTS = "roots"
_WHITEOUT = ".wh."
_UNFINISHED = 24 * 3600
"""A layer that has been unpacked for so many seconds was left by a killed process."""


class UnpackError(LamellaError):
    """A layer cannot be unpacked here."""

    exit_code = 5


def unpack(image: Image, cache: Path, progress: Progress) -> list[Path]:
    """Unpack the layers; return their folders, lowest first."""
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
                try:
                    made.rename(target)
                except OSError:  # another process may have been first
                    if not target.exists():
                        raise
        target.with_suffix(".used").touch()
    return target


def _extract(layer: Layer, root: Path, progress: Progress) -> None:
    """Let tar unpack the layer, which writes nothing outside of `root`, whatever the layer contains."""
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
        raise UnpackError(f"layer {name} cannot be unpacked: {said[-1] if said else 'tar gives no reason'}")


def hides(folders: Iterable[Path]) -> bool:
    """Whether a layer removes files of layers below: then they cannot simply be stacked."""
    return any(folder.with_suffix(".hides").exists() for folder in folders)


def unpacked(cache: Path) -> Iterator[Item]:
    """Yield the layers in the cache, sorted by name, as items of one folder each."""
    for folder in sorted((cache / ROOTS).glob("*")):
        with contextlib.suppress(FileNotFoundError):  # pruned by another process
            if folder.is_dir():
                used = folder.with_suffix(".used")
                seen = (used if used.exists() else folder).stat()
                yield Item(f"{ROOTS}/{folder.name}", _size(folder), seen.st_mtime)


def _size(folder: Path) -> int:
    files = (Path(here, name) for here, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files)


def prune(cache: Path, seconds: float) -> list[Item]:
    """Remove layers that were last used so long ago, and what killed processes left; return what was removed."""
    now = time.time()
    old = [item for item in unpacked(cache) if item.used <= now - max(seconds, _UNFINISHED * _is_hidden(item))]
    for item in old:
        folder = cache / item.name
        going = folder.with_name(f".{secrets.token_hex(8)}")
        with contextlib.suppress(FileNotFoundError), explained(folder, "cannot remove"):
            folder.rename(going)
            _remove(going)
        for ending in (".hides", ".used"):
            folder.with_suffix(ending).unlink(missing_ok=True)
    return old


def _is_hidden(item: Item) -> bool:
    return item.name.startswith(f"{ROOTS}/.")


def _remove(folder: Path) -> None:
    """Remove a folder even if its folders may not be written to."""
    folder.chmod(0o700)
    for here, names, _ in os.walk(folder):
        for name in names:
            below = Path(here, name)
            if not below.is_symlink():
                below.chmod(0o700)
    shutil.rmtree(folder)
