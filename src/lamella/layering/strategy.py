"""What all layering strategies share: their signature and their input.

A strategy is a pure function. It sees packages, never files, and returns groups: each group becomes a layer, lowest
first. Every package of the closure is in exactly one group, no group is empty, and the order of the input does not
matter, unless the strategy says so (`popularity`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lamella.closure import Closure
from lamella.errors import LamellaError
from lamella.package import Package


class LayeringError(LamellaError):
    """There is no layering of that name, or its steps are wrong."""

    exit_code = 2


Group = tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """How many layers are allowed, and how many bytes in each (0: no limit)."""

    layers: int
    bytes: int = 0


class Seen(NamedTuple):
    """How many of the `updates` so far brought a change."""

    changed: int = 0
    updates: int = 0


@dataclass(frozen=True, slots=True)
class Churn:
    """What earlier images show about changes: for each package name, and for each family (any member changed)."""

    names: Mapping[str, Seen] = field(default_factory=dict)
    families: Mapping[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Previous:
    """The image before this one: its layers, lowest first, and the churn up to it."""

    layers: tuple[Group, ...] = ()
    churn: Churn = field(default_factory=Churn)


NOTHING = Previous()

Strategy = Callable[[Closure, Budget, Previous], Sequence[Group]]
