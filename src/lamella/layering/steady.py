"""Layers that follow change: an update moves what changed, and little else.

Whoever pulls an image again fetches the layers that are new. So what counts is not how packages are sorted today, but
which of them will share a layer with something that changes tomorrow. `steady` looks at the image before:

    before                 what changed     after
    -----------------------------------------------------------------------
    [torch          ]      torch                      gone
    [cuda cudnn     ]                       [cuda cudnn     ]  kept, as it is
    [numpy scipy lxml]     lxml             [numpy scipy    ]  new: whom lxml left
    [python libc    ]                       [python libc    ]  kept, as it is
    [uv app         ]      uv, app          [uv app lxml    ]  new: what is busy
                                            [torch          ]  new

1. A layer of which every package is still there, unchanged, is kept verbatim. Kept layers stay in their order, lowest.
2. The packages of all other layers must move anyway, so they are free to be laid out again: on top, calmest lowest.
3. While there are more layers than the budget allows, the two merge whose union costs least, as an LSM tree compacts
   its runs. A layer is expected to move its size times the chance that any of its packages changes; breaking a kept
   layer costs its size on top, since it moves now.
4. The chances are learned from all images before (`churn`, `odds`): busy packages come to lie with busy ones, calm with
   calm ones, and a large package alone or with those that are released along with it.

So layers sort themselves as time goes by. What changes weekly breaks its layer weekly, and each time its neighbours are
laid out again, away from it; what never changes stays where it is.
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
"""Into so many pieces at least what is free is condensed, and into twice as many as there may be layers."""


def steady(closure: Closure, budget: Budget, previous: Previous) -> Sequence[Group]:
    """Whole layers of the `previous` image first, in its order; then new ones. The input's order does not matter."""
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
    """The layers of `previous` of which every package is in `closure`, as it is there now; each package once."""
    here: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(closure.by_id, reverse=True):
        here[closure.by_id[name].content].append(name)
    kept: list[Group] = []
    for group in previous.layers:
        wanted = Counter(package.content for package in group)
        if all(len(here.get(content, ())) >= number for content, number in wanted.items()):
            kept.append(tuple(closure.by_id[here[package.content].pop()] for package in group))
    return kept
