"""Keeps layers below a number of bytes: packages are spread over several, and larger ones are cut between files.

A `Slice` counts the entries of a package's own tree, including the folders above it. Each slice also contains the
folders of its files, with their true modes; together the slices contain what the package contains.
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
    """Yield what `part` adds to its layer, with its rules applied."""
    found = rules.apply(part.rules, entries(part.package), part.package.at)
    return _sliced(tree.merge([found]), part.slice) if part.slice else found


def split(parts: Sequence[Part], max_bytes: int, entries: Entries) -> list[tuple[Part, ...]]:
    """Distribute `parts` over layers of at most `max_bytes` each (0: one layer); read only packages that are larger.

    A part goes into the first layer that has room for its package's size: how its files add up in a tar is not known
    before they are read. A larger package gets layers of its own, whose tars are at most `max_bytes` long.
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
    """The entries of `piece`, after the folders of its first entry."""
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
    """Slices, each as long as the limit allows."""
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
