"""The two strategies that need no graph: everything in one layer, and a layer for each of the largest packages."""

from collections.abc import Sequence

from lamella.closure import Closure
from lamella.layering.limits import one_each
from lamella.layering.strategy import Budget, Group, Previous


def single(closure: Closure, _budget: Budget, _previous: Previous) -> Sequence[Group]:
    """Return all packages in one group, by id: the default for a layer of the spec."""
    return one_each(sorted(closure.packages, key=lambda package: package.id), 1)


def size(closure: Closure, budget: Budget, _previous: Previous) -> Sequence[Group]:
    """Return a group for each of the largest packages, largest first; the rest share the last one."""
    return one_each(sorted(closure.packages, key=lambda package: (-package.size, package.id)), budget.layers)
