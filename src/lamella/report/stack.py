"""Stacking layers: the files a container sees, and what is wasted: hidden files, duplicates and leftovers."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from lamella.report.files import WHITEOUT, File, Files, Sort

_OPAQUE = ".wh..wh..opq"
_LEFTOVERS = {
    "package lists downloaded by apt": r"^/var/lib/apt/lists/",
    "downloads of a package manager": r"^/var/cache/(apt|apk|dnf|yum|pacman)/|^/(opt/conda|root/miniconda3)/pkgs/",
    "a user's caches (pip, npm, ...)": r"^/(root|home/[^/]+)/(\.cache|\.npm|\.cargo/registry)/",
    "Python bytecode": r"/__pycache__/[^/]+\.pyc$",
    "temporary files": r"^/(var/)?tmp/",
    "logs": r"^/var/log/",
    "version control": r"/\.git/",
}
"""What is often left behind in images but rarely needed there."""
_PATTERNS = {what: re.compile(pattern) for what, pattern in _LEFTOVERS.items()}


@dataclass(frozen=True, slots=True)
class Placed:
    """A file, and the number of the layer it is in."""

    file: File
    layer: int


@dataclass(frozen=True, slots=True)
class Hidden:
    """A file that is downloaded but never seen: the layer `by` replaces or removes it."""

    placed: Placed
    by: int


@dataclass(frozen=True, slots=True)
class Twins:
    """The same content at several visible places."""

    places: tuple[Placed, ...]

    @property
    def wasted(self) -> int:
        """The bytes that keeping only one copy would save."""
        return self.places[0].file.size * (len(self.places) - 1)


@dataclass
class Stack:
    """Layers, the lowest first. `seen` holds the files a container sees, by path."""

    seen: dict[str, Placed] = field(default_factory=dict)
    hidden: list[Hidden] = field(default_factory=list)

    def add(self, number: int, files: tuple[File, ...]) -> None:
        """Put a layer on top. Its whiteouts remove files from the layers below, wherever in the layer they appear."""
        removed, emptied = _taken_away(files)
        emptied |= {file.path for file in files if file.sort is not Sort.FOLDER and self._is_folder(file.path)}
        if removed or emptied:
            for path in [path for path in self.seen if path in removed or not emptied.isdisjoint(_above(path))]:
                self._remove(path, number)
        for file in files:
            if not _name(file).startswith(WHITEOUT):
                self._remove(file.path, number)
                self.seen[file.path] = Placed(file, number)

    def _is_folder(self, path: str) -> bool:
        return path in self.seen and self.seen[path].file.sort is Sort.FOLDER

    def _remove(self, path: str, by: int) -> None:
        old = self.seen.get(path)
        if old is None or old.layer == by:
            return
        del self.seen[path]
        if old.file.sort is Sort.FILE:
            self.hidden.append(Hidden(old, by))


def _taken_away(files: tuple[File, ...]) -> tuple[set[str], set[str]]:
    """The removed paths, and those below which everything is removed; such folders need not be in the layer itself."""
    removed, emptied = set(), set()
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if name == _OPAQUE:
            emptied.add(folder)
        elif name.startswith(WHITEOUT):
            removed.add(f"{folder}/{name.removeprefix(WHITEOUT)}")
    return removed, emptied | removed


def _name(file: File) -> str:
    return file.path.rpartition("/")[2]


def _above(path: str) -> Iterator[str]:
    """The folders that contain a path; the root is the empty string."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def stacked(files: Files) -> Stack:
    """The layers whose files are known, stacked on each other."""
    stack = Stack()
    for number, layer in enumerate(files):
        stack.add(number, layer or ())
    return stack


def twins(stack: Stack) -> list[Twins]:
    """Contents that exist more than once, the most wasteful first."""
    found: defaultdict[bytes, list[Placed]] = defaultdict(list)
    for placed in stack.seen.values():
        if placed.file.size:
            found[placed.file.digest].append(placed)
    several = [Twins(tuple(sorted(one, key=_order))) for one in found.values() if len(one) > 1]
    return sorted(several, key=lambda one: (-one.wasted, one.places[0].file.path))


def _order(placed: Placed) -> tuple[int, str]:
    return placed.layer, placed.file.path


def leftovers(stack: Stack) -> Iterator[tuple[str, int, int]]:
    """The leftovers found: what they are, how many files, and their bytes."""
    for what, pattern in _PATTERNS.items():
        sizes = [
            one.file.size for path, one in stack.seen.items() if one.file.sort is Sort.FILE and pattern.search(path)
        ]
        if sizes:
            yield what, len(sizes), sum(sizes)


def changed(old: Stack, new: Stack) -> Iterator[tuple[str, File]]:
    """The files that differ: `added` and `changed` ones as they are now, `removed` ones as they were."""
    for path, placed in new.seen.items():
        before = old.seen.get(path)
        if before is None:
            yield "added", placed.file
        elif not _same(before.file, placed.file):
            yield "changed", placed.file
    for path, placed in old.seen.items():
        if path not in new.seen:
            yield "removed", placed.file


def _same(old: File, new: File) -> bool:
    return (old.sort, old.size, old.digest) == (new.sort, new.size, new.digest)
