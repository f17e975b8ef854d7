"""Stages files, then moves them into place: how every file that other processes may read is written.

A staged file has its own name on the file system of its target, so the move is atomic: it appears under the target's
name completely or not at all. Its writer holds a lock on it, which ends with the process, however that ends and in
whatever container. So files that killed processes left behind are recognized, and the next process removes them.
"""

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, Self

from lamella.errors import LamellaError
from lamella.oci.digest import Digest, Passed

STAGING = "staging"
_ENDING = ".lamella"
_TRIES = 100


class StorageError(LamellaError):
    """A file or folder cannot be read or written."""

    exit_code = 5


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an `OSError` into one line that names `path`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{doing} {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def staged(root: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Create an empty file in the staging folder of `root`; remove it at the end unless it has been moved."""
    with contextlib.ExitStack() as stack:
        yield _new(root / STAGING, stack)


def _new(folder: Path, stack: contextlib.ExitStack, before: str = "", after: str = "") -> tuple[Path, BinaryIO]:
    """A new file that is removed with `stack`, even if this is interrupted.

    If another process tidies up and removes the file or its folder meanwhile, they are made again, under a new name:
    whoever holds the lock of an abandoned file may still remove what has its name.
    """
    for tries in range(_TRIES):
        path = folder / f"{before}{secrets.token_hex(12)}{after}"
        stack.callback(path.unlink, missing_ok=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("xb", buffering=0))
        except (FileNotFoundError, FileExistsError):
            if tries == _TRIES - 1:
                raise
            continue
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()
    raise FileNotFoundError(errno.ENOENT, "another process removes all new files", folder)


def nameless(folder: Path | None = None) -> int:
    """A handle on a new file without a name, on the disk of `folder`; the file disappears with its last handle."""
    with tempfile.TemporaryFile(buffering=0, dir=folder) as file:
        return os.dup(file.fileno())


def tidy(root: Path) -> None:
    """Removes the staging folder of `root`, and `root`, if they are empty."""
    with contextlib.suppress(OSError):
        (root / STAGING).rmdir()
        root.rmdir()


@contextlib.contextmanager
def staged_beside(target: Path) -> Iterator[BinaryIO]:
    """A new file beside `target` that takes its name and mode at the end, unless an error was raised.

    A target that is neither file nor folder (a pipe, a device) is written to directly.
    """
    target = target.resolve()
    if target.is_dir():
        raise StorageError(f"cannot write {target}: it is a folder")
    prefix = f".{target.name[:40]}."
    direct = target.exists() and not target.is_file()
    with explained(target, "cannot write"):
        target.parent.stat()  # a missing folder is an error, and not created
        for old in target.parent.glob(f"{glob.escape(prefix)}*{_ENDING}"):
            _remove_left(old)
    if direct:
        with explained(target, "cannot write"):
            file = target.open("wb", buffering=0)
        with file:
            yield file
        return
    with contextlib.ExitStack() as stack:
        with explained(target, "cannot write"):
            path, new = _new(target.parent, stack, prefix, _ENDING)
        with _filled(target):
            yield new
        with explained(target, "cannot write"):
            with contextlib.suppress(FileNotFoundError):
                path.chmod(target.stat().st_mode & 0o777)
            path.rename(target)


@contextlib.contextmanager
def _filled(target: Path) -> Iterator[None]:
    """Turns a full disk into an error that names `target`; other errors are not about it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StorageError(f"cannot write {target}: {error.strerror}") from error


def write_all(file: IO[bytes], data: bytes | bytearray | memoryview) -> None:
    """Writes all of `data` to a file without a buffer, which may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def leads_out(name: str) -> bool:
    """Whether a name that someone else has chosen leads out of its folder, or cannot be a file's."""
    return name.startswith("/") or ".." in name.split("/") or "\0" in name


def write_file(target: Path, data: bytes) -> None:
    """Write the file that a user names, whole or not at all."""
    with staged_beside(target) as file:
        write_all(file, data)


def write_whole(root: Path, name: str, data: bytes) -> None:
    """Writes `data` to `root/name`, completely or not at all."""
    target = root / name
    with explained(target, "cannot write"), staged(root) as (path, file):
        write_all(file, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def sweep(root: Path) -> int:
    """Removes what killed processes left in staging; returns the number of files."""
    with contextlib.suppress(FileNotFoundError):
        return sum(map(_remove_left, (root / STAGING).iterdir()))
    return 0


def _remove_left(path: Path) -> bool:
    """Removes a staged file whose writer is gone."""
    with contextlib.suppress(OSError), path.open("rb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        return True
    return False


class StagedFile:
    """A file below `root` that is being written; leaving without `move_to` discards it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staged = staged(root)

    def __enter__(self) -> Self:
        with explained(self._root, "cannot write to"):
            self.path, self._file = self._staged.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._staged.__exit__(None, None, None)

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        with explained(self.path, "cannot write"):
            write_all(self._file, block)

    def move_to(self, target: Path) -> None:
        """Moves what was written to `target`."""
        with explained(target, "cannot write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.rename(target)


class StagedBlob(StagedFile):
    """A file named by its digest that is being written; leaving without `commit` discards it."""

    def __init__(self, root: Path, place: Callable[[Digest], Path]) -> None:
        super().__init__(root)
        self._place = place
        self._passed = Passed()

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self._passed.add(block)
        super().write(block)

    def commit(self, digest: Digest, size: int) -> None:
        """Moves the file to its place, if digest and size are right."""
        self._passed.check(digest, size)
        self.move_to(self._place(digest))
