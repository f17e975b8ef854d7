"""Downloaded files, kept by their hash: `files/<sha256>`.

A download that a killed run began is resumed; no file gets its name before its hash is right.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lamella.oci.digest import DigestError
from lamella.oci.image import Buffer, Progress, silent
from lamella.staging import explained
from lamella.transport.errors import BeyondError, GoneError

if TYPE_CHECKING:
    from lamella.transport.fetch import Fetcher

_AT_ONCE = 6
_BLOCK = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Wanted:
    """A file identified by its hash. Messages call it `name`; its `size` is 0 if unknown."""

    name: str
    sha256: str
    size: int = 0


Near = Callable[[str], Path | None]
"""Returns the path of a file on this machine with that hash, which nothing changes; None if it knows of none."""


class Downloads:
    """A folder of downloaded files. Several processes may share it.

    A file that is `near` is hard-linked instead of downloaded. The fetcher is opened at the first download, because
    loading TLS would slow down every command that downloads nothing.
    """

    def __init__(
        self,
        folder: Path,
        open_fetcher: "Callable[[], Fetcher]",
        progress: Progress = silent,
        near: Near = lambda _: None,
    ) -> None:
        self.folder = folder
        self.progress = progress
        self._open_fetcher = open_fetcher
        self._near = near
        self._fetcher: Fetcher | None = None
        self._lock = threading.Lock()

    @property
    def fetcher(self) -> "Fetcher":
        """What downloads; threads that ask at once get the same one."""
        with self._lock:
            self._fetcher = self._fetcher or self._open_fetcher()
            return self._fetcher

    def beside(self, near: Near) -> "Downloads":
        """The same folder and fetcher, with another way to find files that are near."""
        return Downloads(self.folder, lambda: self.fetcher, self.progress, near)

    def close(self) -> None:
        """Close connections."""
        if self._fetcher:
            self._fetcher.close()

    def path(self, sha256: str) -> Path:
        """Where the file is kept, if it exists."""
        return self.folder / "files" / sha256

    def fetch(self, wanted: Iterable[Wanted], addresses: Callable[[Sequence[Wanted]], dict[str, list[str]]]) -> None:
        """Make sure that all files are here. `addresses` returns, by hash, where the missing ones may be found."""
        missing = list({one.sha256: one for one in wanted if not self._has(one.sha256)}.values())
        if not missing:
            return
        found = addresses(missing)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            done = [pool.submit(self.fetch_one, one, found.get(one.sha256, [])) for one in missing]
            try:
                for future in done:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _has(self, sha256: str) -> bool:
        target = self.path(sha256)
        near = None if target.exists() else self._near(sha256)
        if near:
            with contextlib.suppress(OSError):  # it is on another disk, so it is downloaded
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(near)
        return target.exists()

    def fetch_one(self, wanted: Wanted, urls: Sequence[str]) -> Path:
        """Download the file from the first of `urls` that has it."""
        if not _SHA256.fullmatch(wanted.sha256):
            raise DigestError(f"{wanted.sha256!r}, the hash of {wanted.name}, is not a SHA-256")
        target, partial = self.path(wanted.sha256), self.folder / "partial" / wanted.sha256
        if not urls:
            raise GoneError(f"no index has {wanted.name} with the hash {wanted.sha256}")
        with explained(partial, "cannot write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.parent.mkdir(parents=True, exist_ok=True)
        for number, url in enumerate(urls, 1):
            try:
                self._begin(wanted, url, partial, target)
            except GoneError:
                if number == len(urls):
                    raise
            else:
                break
        return target

    def _begin(self, wanted: Wanted, url: str, partial: Path, target: Path) -> None:
        with explained(partial, "cannot write"), partial.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if target.exists():
                return
            resumed = bool(file.seek(0, os.SEEK_END))
            right = self._transfer(wanted, url, file) == wanted.sha256
            if not right and resumed:
                file.truncate(0)
                right = self._transfer(wanted, url, file) == wanted.sha256
            size = file.seek(0, os.SEEK_END)
            if not right:
                partial.unlink(missing_ok=True)
                raise DigestError(
                    f"the downloaded {wanted.name} ({size} bytes) does not have the hash {wanted.sha256}; "
                    "nothing of it is used"
                )
            partial.rename(target)

    def _transfer(self, wanted: Wanted, url: str, file: BinaryIO) -> str:
        """Download what is missing of the file, and return the hash of the whole.

        A file that is shorter than what is here already is not downloaded: the hash shows whether all of it is here.
        """
        hashed = hashlib.sha256()
        file.seek(0)
        while block := file.read(_BLOCK):
            hashed.update(block)
        start = passed = file.tell()

        def put(block: Buffer) -> None:
            nonlocal passed
            hashed.update(block)
            passed += file.write(block)
            if wanted.size and passed > wanted.size:
                raise DigestError(f"{wanted.name} is larger than the {wanted.size} bytes it should have")
            self.progress(wanted.name, passed, max(wanted.size, passed))

        if hashed.hexdigest() != wanted.sha256 and (not wanted.size or start < wanted.size):
            with contextlib.suppress(BeyondError):
                self.fetcher.download(url, put, start)
        file.flush()
        return hashed.hexdigest()
