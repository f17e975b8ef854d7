"""Stage, then move into place: how every file that others may read is written.

A staged file has a name of its own beside its target (same file system, so the move is atomic) and appears under the
target's name complete or not at all. Whoever writes it holds a lock on it, which ends with the process, however that
ends and in whatever container. So what a killed process left behind is known by its lock, and the next one removes it.
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
    with contextlib.ExitStack() as stack:
        yield _new(root / STAGING, stack)


def _new(folder: Path, stack: contextlib.ExitStack, before: str = "", after: str = "") -> tuple[Path, BinaryIO]:
    """A new file that goes with `stack`, whenever that is interrupted.

    Another is made, and the folder too, if somebody who tidies up removes it meanwhile. No name is used twice: whoever
    has the lock of a file that nobody writes can remove what has its name.
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
    raise FileNotFoundError(errno.ENOENT, "somebody else removes all that is new", folder)


def nameless(folder: Path | None = None) -> int:
    """A handle on a new file without a name, on the disk of `folder`; the file goes with its last handle."""
    with tempfile.TemporaryFile(buffering=0, dir=folder) as file:
        return os.dup(file.fileno())


def tidy(root: Path) -> None:
    """Removes the staging folder of `root`, and `root`, if nothing is in them any more."""
    with contextlib.suppress(OSError):
        (root / STAGING).rmdir()
        root.rmdir()


@contextlib.contextmanager
def staged_beside(target: Path) -> Iterator[BinaryIO]:
    """A new file beside `target` that takes its name and mode at the end, unless something was raised.

    What is there and is neither file nor folder (a pipe, a device) is written to as it is.
    """
    target = target.resolve()
    if target.is_dir():
        raise StorageError(f"cannot write {target}: it is a folder")
    prefix = f".{target.name[:40]}."
    direct = target.exists() and not target.is_file()
    with explained(target, "cannot write"):
        target.parent.stat()  # a folder that is not there is not ours to make
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
    """Says of `target` that there is no room for it; whatever else goes wrong meanwhile is not about it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StorageError(f"cannot write {target}: {error.strerror}") from error


def write_all(file: IO[bytes], data: bytes | bytearray | memoryview) -> None:
    """All of `data`, to a file without a buffer, which may take less at a time."""
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
    """`data` under `root/name`: there as a whole, or not at all."""
    target = root / name
    with explained(target, "cannot write"), staged(root) as (path, file):
        write_all(file, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def sweep(root: Path) -> int:
    """Removes what killed processes left in staging; returns how many files that were."""
    with contextlib.suppress(FileNotFoundError):
        return sum(map(_remove_left, (root / STAGING).iterdir()))
    return 0


def _remove_left(path: Path) -> bool:
    """Removes a staged file that nobody writes any more."""
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
        """Takes the next bytes."""
        with explained(self.path, "cannot write"):
            write_all(self._file, block)

    def move_to(self, target: Path) -> None:
        """Makes `target` of what was written."""
        with explained(target, "cannot write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            self.path.rename(target)


class StagedBlob(StagedFile):
    """Bytes on their way to a place that is named by their digest; leaving without `commit` discards them."""

    def __init__(self, root: Path, place: Callable[[Digest], Path]) -> None:
        super().__init__(root)
        self._place = place
        self._passed = Passed()

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes."""
        self._passed.add(block)
        super().write(block)

    def commit(self, digest: Digest, size: int) -> None:
        """Moves the bytes to their place, if they are what they are said to be."""
        self._passed.check(digest, size)
        self.move_to(self._place(digest))
