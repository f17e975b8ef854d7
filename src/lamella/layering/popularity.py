"""What most packages need is lowest: the order and the split of nix2container's `maxLayers`.

The popularity of a package is the number of paths of references that lead to it, from any package, including itself:

    app --> numpy --> libc      app 1, numpy 2, python 4 (from itself, from numpy, and from app on two paths), ...
     |       |
     +-------+--> python

Such numbers can have a thousand digits, and are compared exactly, so that the same closure gives the same layers as in
nix2container. Its graphs have no cycles; a cycle here is cut.
"""

from collections.abc import Mapping, Sequence

from lamella.closure import Closure, topological
from lamella.layering.limits import one_each
from lamella.layering.strategy import Budget, Group, Previous


def popularity(closure: Closure, budget: Budget, _previous: Previous) -> Sequence[Group]:
    """Return a group for each of the most popular packages, most popular first; the rest share the last one.

    Of two equally popular packages, the one that appears later comes first, when the closure is read in its order, each
    package before those it refers to. So for ties the order of the input matters.
    """
    walks = count_walks(closure)
    met = _numbered(closure)
    ordered = sorted(closure.packages, key=lambda package: (-walks[package.id], -met[package.id]))
    return one_each(ordered, budget.layers)


def count_walks(closure: Closure) -> Mapping[str, int]:
    """Count the paths of references that end in each package. A reference that closes a cycle does not count."""
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
