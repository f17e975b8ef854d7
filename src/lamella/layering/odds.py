"""Estimates from past updates what the next one will change.

A package that changed c times in n updates is expected to change next time with a chance of (c + r k) / (n + k): as if
there had been k more updates at the rate r that is usual in this image.

Packages of one family may be released together. If they always were, a family would change as often as its busiest
member; if never, as often as independent packages do. How often it did change shows where it is between the two, and
its `bond` is that position. Without any data a bond is near 1, lower for a word with which many names begin.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from lamella.layering.churn import families
from lamella.layering.strategy import Churn, Seen

USUAL_RATE = 0.06
"""The share of packages assumed to change in an update without any data: that of a Python image updated weekly."""

USUAL_WEIGHT = 50
"""How many packages, observed over one update, the usual rate is worth."""

RATE_WEIGHT = 10
"""How many updates of one package the usual rate of its image is worth (k)."""

BOND = 0.8
"""The bond of a family without any data."""

CLOSEST = 0.95
"""The highest bond: packages that have always changed together may still change separately."""

BOND_WEIGHT = 2
"""How many changes of a family the assumed bond is worth."""


@dataclass(frozen=True, slots=True)
class Odds:
    """For each name the chance that it does not change in the next update, and its family, if any; their bonds."""

    calm: Mapping[str, float]
    family: Mapping[str, str]
    bond: Mapping[str, float]


def odds(churn: Churn, names: Iterable[str]) -> Odds:
    """Estimate what packages with these names will do, from `churn`."""
    seen = {name: churn.names.get(name, Seen()) for name in sorted(set(names))}
    changes = sum(one.changed for one in seen.values()) + USUAL_RATE * USUAL_WEIGHT
    usual = min(1.0, changes / (sum(one.updates for one in seen.values()) + USUAL_WEIGHT))
    calm = {name: 1 - (min(c, n) + usual * RATE_WEIGHT) / (n + RATE_WEIGHT) for name, (c, n) in seen.items()}
    together = families(seen)
    return Odds(
        calm,
        {name: first for first, members in together.items() for name in members},
        {
            first: _bond(
                churn.families.get(first, Seen()),
                [seen[name] for name in members],
                BOND * (1 - len(members) / len(seen)),
            )
            for first, members in together.items()
        },
    )


def _bond(joint: Seen, members: list[Seen], expected: float) -> float:
    rates = [min(1.0, one.changed / max(one.updates, joint.updates, 1)) for one in members]
    apart = joint.updates * (1 - prod(1 - rate for rate in rates))
    united = joint.updates * max(rates)
    found = (BOND_WEIGHT * expected + apart - joint.changed) / (BOND_WEIGHT + apart - united)
    return min(CLOSEST, max(0.0, found))
