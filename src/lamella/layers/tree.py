"""Merges streams of entries into one tree, in the order of the archive.

    /nix/store/a ...      >--+
    /nix/store/b ...      >--+--merge-->  /  /nix  /nix/store  /nix/store/a ...  /nix/store/b ...
    ...                   >--+

Names are compared part by part, so a folder is followed by everything in it. Packages rarely share a place: as long as
a stream is before the heads of all others, its entries pass with one comparison each. Only one entry per stream is
read ahead.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import heapify, heappop, heapreplace
from typing import BinaryIO

from lamella.errors import LamellaError, shown
from lamella.package import Content, Entry, Kind, order

FOLDER_MODE = 0o755
_COMPARED = 1 << 20


class ConflictError(LamellaError):
    """Two different files have the same place in an image."""

    exit_code = 3


def parent(path: bytes) -> bytes:
    """Return the folder that contains `path`; empty for `/` and for the first part of a relative path."""
    cut = path.rfind(b"/")
    return path[:cut] if cut > 0 else b"/" if cut == 0 and path != b"/" else b""


def merge(streams: Sequence[Iterator[Entry]], names: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield one tree of all `streams`, each of which is in order.

    Missing folders are added, with mode 0755 and owner root. Two streams may have the same place if they have the same
    there. `names` are what errors call the streams.
    """
    folders = [b""]
    last = Entry(b"", Kind.DIRECTORY, 0)
    for entry in _united(streams, names):
        above = parent(entry.path)
        if folders[-1] != above:
            _leave(folders, above)
            for missing in _between(folders[-1], above):
                if missing == last.path:
                    raise ConflictError(f"{shown(last.path)} is a file, so {shown(entry.path)} cannot be in it")
                folders.append(missing)
                yield Entry(missing, Kind.DIRECTORY, FOLDER_MODE)
        yield entry
        last = entry
        if entry.kind is Kind.DIRECTORY:
            folders.append(entry.path)


def _leave(folders: list[bytes], path: bytes) -> None:
    """Drop the innermost of `folders` until the last one is `path` or contains it."""
    while folders[-1] and folders[-1] != path and not path.startswith(folders[-1].rstrip(b"/") + b"/"):
        folders.pop()


def _between(above: bytes, path: bytes) -> list[bytes]:
    """`path` and the folders that contain it, up to but not including `above`; outermost first."""
    found = []
    while path != above:
        found.append(path)
        path = parent(path)
    return found[::-1]


def _united(streams: Sequence[Iterator[Entry]], names: Sequence[str]) -> Iterator[Entry]:
    """The entries of all streams in order, each place once."""
    known: Entry | None = None
    whose = 0
    for index, entry in _in_order(streams):
        if known:
            if known.path == entry.path:
                _check_same(known, entry, [names[i] if names else f"package {i + 1}" for i in (whose, index)])
            else:
                yield known
        known, whose = entry, index
    if known:
        yield known


def _in_order(streams: Sequence[Iterator[Entry]]) -> Iterator[tuple[int, Entry]]:
    """All entries, each with the number of its stream, which also orders equal ones."""
    starts = enumerate(zip(_firsts(streams), streams, strict=True))
    heads = [(order(first.path), index, first, stream) for index, (first, stream) in starts if first]
    heapify(heads)
    while heads:
        key, index, entry, stream = heads[0]
        limit = min(heads[1:3], default=None)
        yield index, entry
        for entry in stream:
            before, key = key, order(entry.path)
            if key < before:
                raise ConflictError(f"{shown(entry.path)} comes too late: its source is not in order")
            if limit and key >= limit[0]:
                heapreplace(heads, (key, index, entry, stream))
                break
            yield index, entry
        else:
            heappop(heads)


def _firsts(streams: Sequence[Iterator[Entry]]) -> list[Entry | None]:
    """The first entry of each, in parallel: archives are unpacked before they yield one."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(lambda stream: next(stream, None), streams))


def _check_same(one: Entry, other: Entry, names: Sequence[str]) -> None:
    looks = [_look(one), _look(other)]
    if one._replace(content=None) == other._replace(content=None):
        if _same_bytes(one, other):
            return
        looks[1] = "other bytes"
    raise ConflictError(
        f"{shown(one.path)} is in {names[0]} ({looks[0]}) and in {names[1]} ({looks[1]}); "
        "leave it out of one with an ignore rule, or move it with a rewrite"
    )


def _same_bytes(one: Entry, other: Entry) -> bool:
    """Whether two files are equal; otherwise the layer would depend on the order of packages."""
    if one.content is None or other.content is None or one.content == other.content:
        return True
    try:
        with _opened(one.content) as first, _opened(other.content) as second:
            while block := first.read(_COMPARED):
                if block != second.read(_COMPARED):
                    return False
    except OSError as error:
        raise ConflictError(f"cannot compare the files for {shown(one.path)}: {error.strerror}") from error
    return True


def _opened(content: Content) -> BinaryIO:
    return open(content, "rb") if isinstance(content, bytes) else content()


def _look(entry: Entry) -> str:
    owner = f"{entry.owner.uid}:{entry.owner.gid}"
    if entry.kind is Kind.FILE:
        return f"a file of {entry.size} bytes, mode {entry.mode:04o}, owner {owner}"
    if entry.kind is Kind.SYMLINK:
        return f"a link to {shown(entry.target)}"
    return f"a folder, mode {entry.mode:04o}, owner {owner}"
