"""The two strategies that need no graph: everything together, and the largest packages alone."""

from collections.abc import Sequence

from lamella.closure import Closure
from lamella.layering.limits import one_each
from lamella.layering.strategy import Budget, Group, Previous


def single(closure: Closure, _budget: Budget, _previous: Previous) -> Sequence[Group]:
    """All packages in one group, by id: what a layer of the spec is when it says nothing else."""
    return one_each(sorted(closure.packages, key=lambda package: package.id), 1)


def size(closure: Closure, budget: Budget, _previous: Previous) -> Sequence[Group]:
    """The largest packages first, a group for each; the rest share the last."""
    return one_each(sorted(closure.packages, key=lambda package: (-package.size, package.id)), budget.layers)
