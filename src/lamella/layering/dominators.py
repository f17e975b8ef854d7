"""Packages that are used together stay together: Nixery's rules.

A root above the closure refers to each requested package, and to each package that is popular or large:

    root --> app --> numpy --> python        root
     |        |        +-----> libc           +-- app -- numpy    app and what only app needs: a layer
     |        +--> python --> libc            +-- python          app and numpy refer to it, and it is popular
     +---------> python  (popular)            +-- libc            many packages refer to it

In the dominator tree, on the right, each package is below the nearest one that all chains of references to it pass. A
package immediately below the root becomes a layer, with everything below it. Layers are ordered by the popularity times
the size of that package, highest first, so that images share the longest chain of lower layers. If there are too many,
the last ones are merged.

Nixery knows how many packages of all of nixpkgs refer to each. Here only the closure is known, so popularity is the
number of its packages that refer to a package directly, which is how Nixery counts too; at least 1.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from lamella.closure import Closure, reachable
from lamella.layering.domtree import immediate_dominators
from lamella.layering.limits import limit
from lamella.layering.strategy import Budget, Group, Previous
from lamella.package import Package

POPULAR = 100
"""A package is popular if more packages than this refer to it."""

LARGE = 100_000_000
"""A package of more bytes than this is large."""


def dominators(closure: Closure, budget: Budget, _previous: Previous) -> Sequence[Group]:
    """Group by the subtrees immediately below the root of the dominator tree; the input's order does not matter."""
    popularity = count_referrers(closure)
    subtrees: defaultdict[str, list[Package]] = defaultdict(list)
    for package, head in _heads(closure, _below_root(closure, popularity)):
        subtrees[head].append(package)

    def rating(head: str) -> int:
        return max(1, popularity[head]) * closure.by_id[head].size

    ordered = sorted(subtrees, key=lambda head: (-rating(head), head))
    return limit([tuple(sorted(subtrees[head], key=lambda package: package.id)) for head in ordered], budget.layers)


def count_referrers(closure: Closure) -> Mapping[str, int]:
    """Count how many other packages refer to each package directly."""
    return Counter(reference for p in closure.packages for reference in set(p.references) if reference != p.id)


def _below_root(closure: Closure, popularity: Mapping[str, int]) -> set[str]:
    """What the root refers to. It must lead to every package, also to those that no requested package needs."""
    below = {p.id for p in closure.packages if popularity[p.id] > POPULAR or p.size > LARGE or not popularity[p.id]}
    below.update(closure.roots)
    reached = reachable(closure, below)
    for name in sorted(closure.by_id):
        if name not in reached:
            below.add(name)
            reached |= reachable(closure, [name])
    return below


def _heads(closure: Closure, below_root: set[str]) -> Iterator[tuple[Package, str]]:
    """Each package with the one immediately below the root in whose subtree it is."""
    ids = sorted(closure.by_id)
    number = {name: position for position, name in enumerate(ids, start=1)}
    successors = [sorted(number[name] for name in below_root)]
    successors += [sorted(number[reference] for reference in closure.by_id[name].references) for name in ids]
    heads: dict[int, int] = {}
    for node, above in immediate_dominators(successors).items():
        if node:
            heads[node] = heads.get(above, node)
            yield closure.by_id[ids[node - 1]], ids[heads[node] - 1]
