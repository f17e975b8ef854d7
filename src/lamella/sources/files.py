"""Folders and files of this machine as packages.

A folder's content is the hash of what its layer would contain: names, kinds, modes, link targets, and the size and hash
of each file. So that no file of an unchanged folder is read, the `Memory` keeps

    looks/<folder>    the fingerprint of its last look (inode, size, mode, change time of all files), and its content
    trees/<content>   every file with its hash, to read only those that changed, and to explain changes later

A file that changed just before a look could change again unnoticed, so it is not trusted the next time.
"""

import difflib
import hashlib
import marshal
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from lamella.oci.digest import Digest
from lamella.package import Package
from lamella.sources.tree import SourceError

T = TypeVar("T")
_TOO_FRESH_NS = 100_000_000
_READ_SIDE_BY_SIDE = 4 << 20
_LARGEST_TREE = 150_000
_AT_ONCE = 20_000
_SMALL = 64 << 10
_PLAIN_MARSHAL = 2
"""The last version whose bytes depend only on the values."""
_RULES = b"files-2"
"""Changes whenever the content of an unchanged folder would, so that older looks are not trusted."""


class Memory(Protocol):
    """Remembers looks and trees from one run to the next; forgetting costs only time."""

    def read(self, name: str, kind: type[T]) -> T | None: ...

    def write(self, name: str, value: object) -> None: ...


Told = tuple[bytes, int, int, int, int]
"""The result of one `lstat`: name, mode, size, inode, change time. A plain tuple, as there may be very many."""


class Seen(NamedTuple):
    """The same with the file's path in the tree, which is empty for the tree itself."""

    path: bytes
    mode: int
    size: int
    inode: int
    changed: int


class Look(msgspec.Struct, frozen=True):
    """The result of the last look at a folder; without a fingerprint if it came too soon after a change."""

    fingerprint: str
    content: Digest
    size: int


class TreeFile(msgspec.Struct, frozen=True, array_like=True):
    """A file of a tree; `what` is the hash of its bytes, or a link's target as Latin-1.

    `changed` is 0 if the file cannot be trusted.
    """

    path: bytes
    mode: int
    size: int
    what: str
    inode: int = 0
    changed: int = 0


def package(name: str, path: Path, at: str, ignore: str, memory: Memory) -> Package:
    """The file or folder `path` as a package at `at` in the image, without what `ignore` matches there.

    `name` is the user's name for it, independent of where `path` is on this machine.
    """
    look = look_at(path, at, ignore, memory)
    label = f"{name} -> {at}"
    unique = f"{label} without {ignore}" if ignore else label
    return Package(unique, label, look.content, look.size, (), "files", str(path), at, ignore)


def look_at(path: Path, at: str, ignore: str, memory: Memory) -> Look:
    """The content and size of `path`; only files that the memory does not know are read."""
    now = time.time_ns()
    name = "looks/" + hashlib.sha256(os.fsencode(f"{path}\0{at}\0{ignore}")).hexdigest()
    known = memory.read(name, Look)
    if known and known.fingerprint and known.fingerprint == fingerprint(path, at, ignore):
        return known
    reading = _Reading(path, known.content if known else None, memory, now)
    seen, hashed = hashlib.sha256(_RULES), hashlib.sha256(os.fsencode(at))
    for here, found in scan(path, at, ignore):
        seen.update(_told(here, found))
        with _explained(path):
            files = reading.files([Seen(here + name, *rest) for name, *rest in found])
        for file in files:
            mode = file.mode if file.path or at != "/" else stat.S_IFMT(file.mode)  # the root of an image is everyone's
            size = file.size if stat.S_ISREG(file.mode) else 0  # other sizes depend on the file system
            hashed.update(b"\0%o %d %d:%b%b" % (mode, size, len(file.path), file.path, file.what.encode()))
    look = Look("" if reading.fresh else seen.hexdigest(), Digest(f"sha256:{hashed.hexdigest()}"), reading.size)
    if reading.count <= _LARGEST_TREE:
        memory.write(f"trees/{look.content}", reading.done)
    memory.write(name, look)
    return look


def check_unchanged(given: Package, memory: Memory) -> None:
    """Raises an error if the files of a package have changed since it was made."""
    if look_at(Path(given.path), given.at, given.how, memory).content != given.content:
        raise SourceError(f"{given.path} changed while the image was built; build again when it is stable")


def fingerprint(path: Path, at: str, ignore: str) -> str:
    """The fingerprint of a look, for which no file is read: it differs if a file of `path` was written since."""
    seen = hashlib.sha256(_RULES)
    for here, found in scan(path, at, ignore):
        seen.update(_told(here, found))
    return seen.hexdigest()


def _told(here: bytes, found: list[Told]) -> bytes:
    return marshal.dumps((here, found), _PLAIN_MARSHAL)


def scan(root: Path, at: str, ignore: str) -> Iterator[tuple[bytes, list[Told]]]:
    """`root` and everything below it: one folder after the other, with its place, sorted by bytes.

    Very large folders come in several parts.
    """
    base = b"" if at == "/" else os.fsencode(at)
    matches = re.compile(os.fsencode(ignore)).search if ignore else None
    left_out = (lambda path: matches(base + b"/" + path) is not None) if matches else None
    with _explained(root):
        top = root.lstat()
        yield b"", [(b"", top.st_mode, top.st_size, top.st_ino, top.st_ctime_ns)]
        if stat.S_ISDIR(top.st_mode):
            yield from _scan_below(os.fsencode(root), left_out)


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turns errors of the system into one line that names the file."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"cannot read {os.fsdecode(error.filename or root)}: {error.strerror}{_meant(root)}"
        ) from error


def _meant(path: Path) -> str:
    """A hint at an existing file with a name similar to that of `path`, which does not exist."""
    if os.path.lexists(path) or not path.parent.is_dir():
        return ""
    near = difflib.get_close_matches(path.name, os.listdir(path.parent), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _scan_below(root: bytes, left_out: Callable[[bytes], bool] | None) -> Iterator[tuple[bytes, list[Told]]]:
    waiting = [b""]
    while waiting:
        here = waiting.pop()
        folder = root + b"/" + here
        names = os.listdir(folder)
        names.sort()
        below = []
        for start in range(0, len(names), _AT_ONCE):
            found = []
            for name in names[start : start + _AT_ONCE]:
                if left_out and left_out(here + name):
                    continue
                told = os.lstat(folder + name)
                found.append((name, told.st_mode, told.st_size, told.st_ino, told.st_ctime_ns))
            below += [here + name + b"/" for name, mode, *_ in found if stat.S_ISDIR(mode)]
            yield here, found
        waiting += reversed(below)


class _Reading:
    """One pass over a folder, which hashes what changed since the tree `before`."""

    def __init__(self, root: Path, before: Digest | None, memory: Memory, now: int) -> None:
        known = memory.read(f"trees/{before}", list[TreeFile]) if before else None
        self._known = {file.path: file for file in known or ()}
        self._root = os.fsencode(root)
        self._trusted_before = now - _TOO_FRESH_NS
        self.done: list[TreeFile] = []
        self.count = 0
        self.size = 0
        self.fresh = False

    def files(self, folder: list[Seen]) -> list[TreeFile]:
        """The files of one folder with their hashes."""
        unknown = [file for file in folder if stat.S_ISREG(file.mode) and not self._knows(file)]
        hashes = dict(zip((file.path for file in unknown), self._hash_all(unknown), strict=True))
        found = [self._file(file, hashes.get(file.path)) for file in folder]
        self.count += len(found)
        if self.count <= _LARGEST_TREE:
            self.done.extend(found)
        return found

    def _knows(self, file: Seen) -> bool:
        known = self._known.get(file.path)
        return known is not None and (known.size, known.inode, known.changed) == (file.size, file.inode, file.changed)

    def _file(self, file: Seen, hashed: str | None) -> TreeFile:
        what = ""
        if stat.S_ISREG(file.mode):
            self.size += file.size
            what = hashed or self._known[file.path].what
        elif stat.S_ISLNK(file.mode):
            what = os.readlink(self._at(file)).decode("latin-1")
        fresh = file.changed >= self._trusted_before
        self.fresh = self.fresh or fresh
        return TreeFile(file.path, file.mode, file.size, what, file.inode, 0 if fresh else file.changed)

    def _hash_all(self, files: list[Seen]) -> list[str]:
        if sum(file.size for file in files) < _READ_SIDE_BY_SIDE:
            return [self._hash(file) for file in files]
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(threads.map(self._hash, files))

    def _hash(self, file: Seen) -> str:
        path = self._at(file)
        with open(path, "rb", buffering=0) as opened:
            hashed = _small_digest(opened, file.size) if file.size <= _SMALL else hashlib.file_digest(opened, "sha256")
            if opened.tell() != file.size:
                raise SourceError(f"{os.fsdecode(path)} changed while being read; build again when it is stable")
        return hashed.hexdigest()

    def _at(self, file: Seen) -> bytes:
        return self._root + b"/" + file.path if file.path else self._root


def _small_digest(opened: FileIO, size: int) -> "hashlib._Hash":
    """Like `file_digest`, but without clearing a large block for each file."""
    hashed = hashlib.sha256()
    while data := opened.read(size + 1):
        hashed.update(data)
    return hashed
