"""Layers that keep under a cap on bytes: packages are spread over several, and too large ones are cut by files.

A `Slice` counts the entries of a package's own tree, with the folders that it lies in. Each slice brings along the
folders of the files in it, with their true modes; together the slices hold what the package holds.
"""

from collections.abc import Iterator, Sequence

from lamella.errors import LamellaError, shown
from lamella.layers import rules, tar, tree
from lamella.package import Entries, Entry, Kind
from lamella.plan import Part, Slice


class SplitError(LamellaError):
    """A file is larger than a layer may be."""

    exit_code = 3


def part_entries(part: Part, entries: Entries) -> Iterator[Entry]:
    """What `part` adds to its layer, under its rules."""
    found = rules.apply(part.rules, entries(part.package), part.package.at)
    return _sliced(tree.merge([found]), part.slice) if part.slice else found


def split(parts: Sequence[Part], max_bytes: int, entries: Entries) -> list[tuple[Part, ...]]:
    """`parts` in layers of at most `max_bytes` each (0: in one); nothing is read but of packages that are larger.

    A part goes into the first layer that has room for its package's size. A package that no layer has room for gets
    layers of its own, whose tars keep under the cap to the byte.
    """
    if not max_bytes:
        return [tuple(parts)] if parts else []
    layers: list[list[Part]] = []
    rooms: list[int] = []
    for part in parts:
        size = part.package.size
        if size > max_bytes and part.slice is None:
            cut = [[Part(part.package, part.rules, piece)] for piece in _cut(part, max_bytes, entries)]
            layers += cut
            rooms += [0] * len(cut)
            continue
        place = next((i for i, room in enumerate(rooms) if size <= room), len(layers))
        if place == len(layers):
            layers.append([])
            rooms.append(max_bytes)
        layers[place].append(part)
        rooms[place] -= size
    return [tuple(layer) for layer in layers]


def _sliced(entries: Iterator[Entry], piece: Slice) -> Iterator[Entry]:
    """The entries of `piece`, after the folders that its first one lies in."""
    folders: list[Entry] = []
    for number, entry in enumerate(entries):
        if number >= piece.stop:
            return
        if number >= piece.start:
            if number == piece.start:
                yield from _around(entry, folders)
            yield entry
        elif entry.kind is Kind.DIRECTORY:
            folders = [*_around(entry, folders), entry]


def _around(entry: Entry, folders: Sequence[Entry]) -> list[Entry]:
    return [folder for folder in folders if entry.path.startswith(folder.path.rstrip(b"/") + b"/")]


def _cut(part: Part, max_bytes: int, entries: Entries) -> Iterator[Slice]:
    """Slices that are as long as the cap lets them be."""
    start = number = 0
    used = len(tar.END)
    folders: list[Entry] = []
    for number, entry in enumerate(tree.merge([part_entries(part, entries)])):
        cost = tar.cost(entry)
        if used + cost > max_bytes:
            yield Slice(start, number)
            start = number
            used = len(tar.END) + sum(map(tar.cost, _around(entry, folders)))
        used += cost
        if used > max_bytes:
            raise SplitError(
                f"{shown(entry.path)} is {entry.size} bytes large ({used} with its headers and folders), "
                f"and no layer may be larger than {max_bytes}; "
                "raise max_bytes, or leave the file out with an ignore rule"
            )
        if entry.kind is Kind.DIRECTORY:
            folders = [*_around(entry, folders), entry]
    yield Slice(start, number + 1)
