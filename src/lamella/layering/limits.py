"""Holding groups to a number of layers, and layers to a number of bytes."""

from collections.abc import Iterable, Sequence

from lamella.layering.strategy import Group
from lamella.package import Package


def weight(group: Iterable[Package]) -> int:
    """The bytes of all packages of `group`."""
    return sum(package.size for package in group)


def limit(groups: Sequence[Group], layers: int) -> list[Group]:
    """The first `layers - 1` groups as they are, and one group for all that follow."""
    rest = tuple(package for group in groups[layers - 1 :] for package in group)
    return [*groups[: layers - 1], *([rest] if rest else [])]


def one_each(ordered: Iterable[Package], layers: int) -> list[Group]:
    """A group for each of the first `layers - 1` packages, and one for all that follow."""
    return limit([(package,) for package in ordered], layers)


def cap(groups: Iterable[Group], max_bytes: int) -> list[Group]:
    """`groups` in order, each cut between packages wherever it would hold more than `max_bytes` (0: nowhere).

    A package that is larger by itself gets a group of its own, since nothing here can cut it.
    """
    capped: list[Group] = []
    for group in groups:
        begun: list[Package] = []
        room = max_bytes
        for package in group:
            if begun and max_bytes and package.size > room:
                capped.append(tuple(begun))
                begun, room = [], max_bytes
            begun.append(package)
            room -= package.size
        capped.append(tuple(begun))
    return capped
