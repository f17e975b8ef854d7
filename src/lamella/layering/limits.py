"""Limits for the number of groups, and for the bytes of each."""

from collections.abc import Iterable, Sequence

from lamella.layering.strategy import Group
from lamella.package import Package


def weight(group: Iterable[Package]) -> int:
    """Return the bytes of all packages in `group`."""
    return sum(package.size for package in group)


def limit(groups: Sequence[Group], layers: int) -> list[Group]:
    """Return the first `layers - 1` groups as they are, and one group of all that follow."""
    rest = tuple(package for group in groups[layers - 1 :] for package in group)
    return [*groups[: layers - 1], *([rest] if rest else [])]


def one_each(ordered: Iterable[Package], layers: int) -> list[Group]:
    """Return a group for each of the first `layers - 1` packages, and one for all that follow."""
    return limit([(package,) for package in ordered], layers)


def cap(groups: Iterable[Group], max_bytes: int) -> list[Group]:
    """Return `groups` in order, each cut between packages where it would exceed `max_bytes` (0: no limit).

    A package that is larger by itself gets a group of its own, since it cannot be cut here.
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
