"""What all layering strategies share: their signature, and what they are told.

A strategy is a pure function. It sees packages, never files, and answers with groups: each group becomes a layer,
lowest first. Every package of the closure is in exactly one group, no group is empty, and permuting equal input
changes nothing but what the strategy documents (graph order, for `popularity`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lamella.closure import Closure
from lamella.errors import LamellaError
from lamella.package import Package


class LayeringError(LamellaError):
    """A layering is asked for that does not exist."""

    exit_code = 2


Group = tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """How many layers there may be, and how many bytes one may hold (0: any number)."""

    layers: int
    bytes: int = 0


class Seen(NamedTuple):
    """Of `updates` that were seen, how many brought a change."""

    changed: int = 0
    updates: int = 0


@dataclass(frozen=True, slots=True)
class Churn:
    """What earlier images tell of change: for each package name, and for each family of names (any member changed)."""

    names: Mapping[str, Seen] = field(default_factory=dict)
    families: Mapping[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Previous:
    """The image before this one: its layers, lowest first, and the churn up to it."""

    layers: tuple[Group, ...] = ()
    churn: Churn = field(default_factory=Churn)


NOTHING = Previous()

Strategy = Callable[[Closure, Budget, Previous], Sequence[Group]]
