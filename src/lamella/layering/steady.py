"""Layers that follow change (first version)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lamella.closure import Closure
from lamella.layering.churn import learn
from lamella.layering.limits import weight
from lamella.layering.strategy import Budget, Churn, Group, Previous
from lamella.package import Package

PRIOR_CHANGES = 1.0
PRIOR_UPDATES = 16.0


@dataclass(frozen=True, slots=True)
class Bundle:
    packages: Group
    size: int
    calm: float
    """The logarithm of the probability that none of them changes in an update."""
    kept: bool = False


def steady(closure: Closure, budget: Budget, previous: Previous) -> Sequence[Group]:
    churn = learn(previous, closure)
    by_content = {package.content: package for package in closure.packages}
    ids: set[str] = set()
    kept: list[Bundle] = []
    for group in previous.layers:
        now = tuple(by_content[p.content] for p in group if p.content in by_content)
        if len(now) == len(group) and not ids & {p.id for p in now}:
            ids |= {p.id for p in now}
            kept.append(_bundle(now, churn, kept=True))
    loose = sorted((p for p in closure.packages if p.id not in ids), key=lambda p: (-p.size, p.id))
    first, rest = loose[:200], loose[200:]
    step = max(1, len(rest) // 100)
    groups = [(p,) for p in first] + [tuple(rest[i : i + step]) for i in range(0, len(rest), step)]
    bundles = kept + [_bundle(group, churn) for group in groups]
    while len(bundles) > budget.layers:
        best = min((_price(bundles[i], bundles[j], budget.bytes), i, j) for j in range(len(bundles)) for i in range(j))
        _, i, j = best
        joined = Bundle(
            bundles[i].packages + bundles[j].packages,
            bundles[i].size + bundles[j].size,
            bundles[i].calm + bundles[j].calm,
        )
        bundles = [b for at, b in enumerate(bundles) if at not in (i, j)] + [joined]
    return [b.packages for b in bundles if b.kept] + [b.packages for b in bundles if not b.kept]


def _bundle(packages: Sequence[Package], churn: Churn, kept: bool = False) -> Bundle:
    calm = sum(
        math.log(
            1 - (min(churn.changes.get(p.name, 0), churn.updates) + PRIOR_CHANGES) / (churn.updates + PRIOR_UPDATES)
        )
        for p in packages
    )
    return Bundle(tuple(packages), weight(packages), calm, kept)


def _price(one: Bundle, other: Bundle, most: int) -> tuple[bool, float]:
    size = one.size + other.size
    moved = sum(bundle.size for bundle in (one, other) if bundle.kept)
    more = size * -math.expm1(one.calm + other.calm)
    less = sum(-bundle.size * math.expm1(bundle.calm) for bundle in (one, other))
    return bool(most) and size > most, more - less + moved
