"""Files that were fetched and are kept by their hash: `files/<sha256>`.

What a killed run has begun to fetch is taken up where it broke off; nothing has its name before its hash is right.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lamella.oci.digest import DigestError
from lamella.oci.image import Buffer, Progress, silent
from lamella.staging import explained
from lamella.transport.fetch import Fetcher, GoneError

_AT_ONCE = 6
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """A file that is known by its hash. `name` is how people are told of it; its `size` is 0 if nobody knows."""

    name: str
    sha256: str
    size: int = 0


Near = Callable[[str], Path | None]
"""Says where on this machine a file with that hash lies, which nobody changes; None if it does not know of any."""


class Downloads:
    """A folder of files that came from elsewhere. Several processes may share it.

    A file that is `near` is taken from there, as another name of the same bytes.
    """

    def __init__(
        self, folder: Path, fetcher: Fetcher, progress: Progress = silent, near: Near = lambda _: None
    ) -> None:
        self.folder = folder
        self.fetcher = fetcher
        self.progress = progress
        self._near = near

    def beside(self, near: Near) -> "Downloads":
        """The same folder, for who knows of files that are near."""
        return Downloads(self.folder, self.fetcher, self.progress, near)

    def close(self) -> None:
        """Ends connections."""
        self.fetcher.close()

    def path(self, sha256: str) -> Path:
        """Where the file is kept, if it is."""
        return self.folder / "files" / sha256

    def fetch(self, wanted: Iterable[Wanted], addresses: Callable[[Sequence[Wanted]], dict[str, list[str]]]) -> None:
        """Sees to it that all files are here. `addresses` tells of those that are not where they may be, by hash."""
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
            with contextlib.suppress(OSError):  # it is on another disk, and is fetched
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(near)
        return target.exists()

    def fetch_one(self, wanted: Wanted, urls: Sequence[str]) -> Path:
        """The file, from the first of `urls` that has it."""
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
        """Fetches what is missing of the file, and tells the hash of the whole."""
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

        if not wanted.size or start < wanted.size:
            self.fetcher.download(url, put, start)
        file.flush()
        return hashed.hexdigest()
