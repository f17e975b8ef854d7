"""Stages files, then moves them into place: how every file that other processes may read is written.

A staged file has its own name beside its target (on the same file system, so the move is atomic), and appears under the
target's name complete or not at all. Its writer holds a lock on it, which ends with the process, however that ends
and in whatever container. So files that a killed process left are recognized by the missing lock, and removed.
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
    """Create a locked file, which is removed with `stack`, wherever that is interrupted.

    If another process tidies up and removes the file or its folder before it is locked, they are created again. No name
    is used twice: a process that has locked a leftover removes whatever has its name.
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
    """Return a handle on a new file without a name, on the disk of `folder`; the file is gone with its last handle."""
    with tempfile.TemporaryFile(buffering=0, dir=folder) as file:
        return os.dup(file.fileno())


def tidy(root: Path) -> None:
    """Remove the staging folder of `root`, and `root`, if they are empty."""
    with contextlib.suppress(OSError):
        (root / STAGING).rmdir()
        root.rmdir()


@contextlib.contextmanager
def staged_beside(target: Path) -> Iterator[BinaryIO]:
    """Create a file beside `target` that gets its name and mode at the end, unless an exception was raised.

    If `target` is neither a file nor a folder (a pipe, a device), it is written to directly.
    """
    target = target.resolve()
    if target.is_dir():
        raise StorageError(f"cannot write {target}: it is a folder")
    prefix = f".{target.name[:40]}."
    direct = target.exists() and not target.is_file()
    with explained(target, "cannot write"):
        target.parent.stat()  # a missing folder is not created
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
    """Name `target` if there is no room for it; other errors are not about this file."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StorageError(f"cannot write {target}: {error.strerror}") from error


def write_all(file: IO[bytes], data: bytes | bytearray | memoryview) -> None:
    """Write all of `data` to an unbuffered file, which may take less at a time."""
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
    """Write `data` to `root/name`, whole or not at all."""
    target = root / name
    with explained(target, "cannot write"), staged(root) as (path, file):
        write_all(file, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def sweep(root: Path) -> int:
    """Remove what killed processes have left in staging; return how many files."""
    with contextlib.suppress(FileNotFoundError):
        return sum(map(_remove_left, (root / STAGING).iterdir()))
    return 0


def _remove_left(path: Path) -> bool:
    """Remove a staged file that no process writes any more."""
    with contextlib.suppress(OSError), path.open("rb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        return True
    return False


class StagedFile:
    """Bytes on their way into a file below `root`; leaving without `move_to` discards them."""

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
        """Move what was written to `target`."""
        with explained(target, "cannot write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.rename(target)


class StagedBlob(StagedFile):
    """Bytes on their way to a place named by their digest; leaving without `commit` discards them."""

    def __init__(self, root: Path, place: Callable[[Digest], Path]) -> None:
        super().__init__(root)
        self._place = place
        self._passed = Passed()

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self._passed.add(block)
        super().write(block)

    def commit(self, digest: Digest, size: int) -> None:
        """Move the bytes to their place, if they have this digest and size."""
        self._passed.check(digest, size)
        self.move_to(self._place(digest))
