"""What most packages need lies deepest: the order and the split of nix2container's `maxLayers`.

The popularity of a package is the number of ways that lead to it along references, from any package, itself included:

    app --> numpy --> libc      app 1, numpy 2, python 4 (from itself, app, and numpy by two ways), ...
     |       |
     +-------+--> python

Such numbers grow beyond all bounds (they may have a thousand digits), and they are compared exactly, so that the same
closure gives the same layers as nix2container's. Its graphs have no cycles; where there is one, it is cut.
"""

from collections.abc import Mapping, Sequence

from lamella.closure import Closure, topological
from lamella.layering.limits import one_each
from lamella.layering.strategy import Budget, Group, Previous


def popularity(closure: Closure, budget: Budget, _previous: Previous) -> Sequence[Group]:
    """The most popular packages first, a group for each; the rest share the last.

    Of two that are as popular, the one that is met later comes first, reading the packages in the closure's order,
    each before what it refers to. So here the order of the input matters, where there are ties.
    """
    walks = count_walks(closure)
    met = _numbered(closure)
    ordered = sorted(closure.packages, key=lambda package: (-walks[package.id], -met[package.id]))
    return one_each(ordered, budget.layers)


def count_walks(closure: Closure) -> Mapping[str, int]:
    """How many walks along references end in each package. A reference that closes a cycle does not count."""
    walks = dict.fromkeys(closure.by_id, 1)
    passed: set[str] = set()
    for package in topological(closure):
        passed.add(package.id)
        for reference in dict.fromkeys(package.references):
            if reference not in passed:
                walks[reference] += walks[package.id]
    return walks


def _numbered(closure: Closure) -> Mapping[str, int]:
    met: dict[str, int] = {}
    for package in closure.packages:
        for name in (package.id, *package.references):
            met.setdefault(name, len(met))
    return met
