"""Fits bundles into a budget: which ones to join so that updates move the fewest bytes.

The best solution would take too long to find; three simple steps come close:

    condense   many small packages, ordered by chance / size, are joined with a neighbour    thousands -> hundreds
    merge      the two bundles whose union costs least are joined, until the budget holds    hundreds -> layers
    refine     each piece moves to the layer where it costs least                            layers -> better layers

Why chance / size: when two packages share a layer, they cost (size of one) x (chance of the other), in both directions.
That is least between packages that are large and calm, and between packages that are small and busy.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from math import inf

from lamella.layering.bundle import Bundle, calm_together, joined

OVERFULL = 1e20
"""The price of a layer that is too large: only paid if there would be too many layers otherwise."""

PASSES = 2
"""How often `refine` looks at each piece. More passes find little."""


def merge_price(one: Bundle, other: Bundle, max_bytes: int) -> float:
    """Return what the union of two bundles costs more than the two: in bytes that it is expected to move, and in bytes
    that move now, if one is a layer that could be kept."""
    size = one.size + other.size
    price = size * (1 - calm_together(one, other)) - one.cost - other.cost
    price += one.size * one.kept + other.size * other.kept
    return price + OVERFULL if 0 < max_bytes < size else price


def condense(bundles: Sequence[Bundle], most: int, max_bytes: int) -> list[Bundle]:
    """Return at most `most` bundles, if `max_bytes` allows; each round joins the cheapest pairs of neighbours."""
    line = sorted(bundles, key=lambda one: ((1 - one.calm) / max(one.size, 1), -one.size, one.packages[0].id))
    while len(line) > most:
        prices = sorted((merge_price(line[i], line[i + 1], max_bytes), i) for i in range(len(line) - 1))
        fused: set[int] = set()
        for price, i in prices:
            if price >= OVERFULL or len(fused) > (len(line) - most) // 2:
                break
            if i - 1 not in fused and i + 1 not in fused:
                fused.add(i)
        if not fused:
            break
        line = [
            replace(joined(line[i], line[i + 1]), kin={}) if i in fused else line[i]
            for i in range(len(line))
            if i - 1 not in fused
        ]
    return line


def merge(bundles: Sequence[Bundle], layers: int, max_bytes: int) -> list[list[Bundle]]:
    """Return the bundles of each layer, for at most `layers` layers.

    A bundle that is too large for a layer counts as the layers it will be cut into.
    """
    pieces = {i: [one] for i, one in enumerate(bundles)}
    whole = dict(enumerate(bundles))
    best: dict[int, tuple[float, int]] = {}

    def look(here: int) -> None:
        prices = ((merge_price(whole[here], whole[i], max_bytes), i) for i in whole if i < here)
        best[here] = min(prices, default=(inf, -1))

    for here in whole:
        look(here)
    while len(whole) > 1 and sum(_layers(one, max_bytes) for one in whole.values()) > layers:
        (price, other), here = min((partner, here) for here, partner in best.items())
        if price >= OVERFULL and len(whole) <= layers:
            break
        new = max(best) + 1
        pieces[new] = pieces.pop(other) + pieces.pop(here)
        whole[new] = joined(whole.pop(other), whole.pop(here))
        del best[here], best[other]
        for orphan in [i for i, (_, partner) in best.items() if partner in (here, other)]:
            look(orphan)
        look(new)
    return list(pieces.values())


def _layers(one: Bundle, max_bytes: int) -> int:
    return max(1, -(-one.size // max_bytes)) if max_bytes else 1


def refine(layers: Sequence[Sequence[Bundle]], max_bytes: int) -> list[list[Bundle]]:
    """Return the same pieces, each in the layer where it costs least. No layer becomes empty."""
    pieces = [list(layer) for layer in layers]
    whole = [reduce(joined, layer) for layer in pieces]
    for here, layer in [*enumerate(pieces)] * PASSES:
        for piece in tuple(layer):
            if len(layer) == 1:
                break
            rest = reduce(joined, (other for other in layer if other is not piece))
            prices = ((merge_price(whole[i], piece, max_bytes), i) for i in range(len(pieces)) if i != here)
            price, there = min(prices, default=(inf, -1))
            if price < merge_price(rest, piece, max_bytes):
                layer.remove(piece)
                pieces[there].append(piece)
                whole[here], whole[there] = rest, joined(whole[there], piece)
    return pieces
