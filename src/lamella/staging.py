"""Stage, then move into place: how every file that others may read is written.

A staged file has a name of its own beside its target (same file system, so the move is atomic) and appears under the
target's name complete or not at all. What a killed process left behind is removed by the next one that looks.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lamella.errors import LamellaError

STAGING = "staging"
_LEFT_BEHIND_AFTER = 24 * 3600.0


class StorageError(LamellaError):
    """A file or folder of ours cannot be read or written."""

    exit_code = 5


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turns an `OSError` into one line that names `path`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{doing} {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def staged(root: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new empty file in the staging folder of `root`, removed at the end unless it has been moved away."""
    folder = root / STAGING
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
    try:
        with path.open("xb", buffering=0) as file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def write_whole(root: Path, name: str, data: bytes) -> None:
    """`data` under `root/name`: there as a whole, or not at all."""
    target = root / name
    with explained(target, "cannot write"), staged(root) as (path, file):
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def sweep(root: Path) -> int:
    """Removes what killed processes left in staging; returns how many files that were."""
    removed = 0
    for path in sorted((root / STAGING).glob("*-*")):
        with contextlib.suppress(OSError):
            if not _alive(path.name) or time.time() - path.stat().st_mtime > _LEFT_BEHIND_AFTER:
                path.unlink()
                removed += 1
    return removed


def _alive(name: str) -> bool:
    pid = name.partition("-")[0]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
