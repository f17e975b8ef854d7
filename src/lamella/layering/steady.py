"""Layers that follow change: an update moves what changed, and little else.

Users who pull an image again download its new layers. So what counts is not how packages are sorted today, but which
of them will share a layer with something that changes tomorrow. `steady` starts from the previous image:

    before                 what changed     after
    -----------------------------------------------------------------------
    [torch          ]      torch                      gone
    [cuda cudnn     ]                       [cuda cudnn     ]  kept as it is
    [numpy scipy lxml]     lxml             [numpy scipy    ]  new: the calm rest of it
    [python libc    ]                       [python libc    ]  kept as it is
    [uv app         ]      uv, app          [uv app lxml    ]  new: what is busy
                                            [torch          ]  new

1. A layer all of whose packages are unchanged is kept verbatim. Kept layers stay in their order, lowest.
2. The packages of all other layers must move anyway, so they are arranged anew: on top, calmest lowest.
3. While there are more layers than the budget allows, the two whose union costs least are merged, as an LSM tree
   compacts its runs. A layer is expected to move its size times the chance that any of its packages changes; merging a
   kept layer costs its size on top, since it moves now.
4. The chances are learned from all previous images (`churn`, `odds`): busy packages end up with busy ones, calm ones
   with calm ones, and a large package alone or with those that are released together with it.

So layers sort themselves over time. What changes weekly breaks its layer weekly, and each time its neighbours are
arranged anew, away from it; what never changes stays where it is.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from lamella.closure import Closure
from lamella.layering.bundle import Bundle, bundle, joined
from lamella.layering.churn import learn
from lamella.layering.compact import condense, merge, refine
from lamella.layering.odds import odds
from lamella.layering.strategy import Budget, Group, Previous

PIECES = 60
"""Packages that move are condensed into this many pieces, or into two for each layer allowed, if that is more."""


def steady(closure: Closure, budget: Budget, previous: Previous) -> Sequence[Group]:
    """Return the unchanged layers of `previous` in their order, then new ones. The input's order does not matter."""
    expected = odds(learn(previous, closure), (package.name for package in closure.packages))
    kept = [bundle(group, expected, kept=True) for group in whole_layers(closure, previous)]
    taken = {package.id for one in kept for package in one.packages}
    free = [bundle((package,), expected) for package in closure.packages if package.id not in taken]
    pieces = condense(free, max(PIECES, 2 * budget.layers), budget.bytes)
    layers = merge([*kept, *pieces], budget.layers, budget.bytes)
    stay = [layer[0].packages for layer in layers if layer[0].kept and len(layer) == 1]
    move = [[replace(piece, kept=False) for piece in layer] for layer in layers if len(layer) > 1 or not layer[0].kept]
    new = [reduce(joined, layer) for layer in refine(move, budget.bytes)]
    return [*stay, *(_by_id(one) for one in sorted(new, key=lambda one: (-one.calm, _by_id(one)[0].id)))]


def _by_id(one: Bundle) -> Group:
    return tuple(sorted(one.packages, key=lambda package: package.id))


def whole_layers(closure: Closure, previous: Previous) -> list[Group]:
    """Return the layers of `previous` all of whose contents are in `closure`, with its packages; each package once."""
    here: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(closure.by_id, reverse=True):
        here[closure.by_id[name].content].append(name)
    kept: list[Group] = []
    for group in previous.layers:
        wanted = Counter(package.content for package in group)
        if all(len(here.get(content, ())) >= number for content, number in wanted.items()):
            kept.append(tuple(closure.by_id[here[package.content].pop()] for package in group))
    return kept
