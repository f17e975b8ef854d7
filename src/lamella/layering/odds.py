"""From what was seen to what to expect of the next update.

A package that was seen to change c times in n updates changes next time with a chance of (c + r k) / (n + k): as if k
more updates had been seen at the rate r that is usual in this image.

Packages of one family may be released together. If they always were, a family would change as often as its busiest
member; if never, as often as independent packages do. How often it did change tells where it is between the two, and
its `bond` is that place. Before anything was seen a bond is near 1, less so for a word with which many names begin.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from lamella.layering.churn import families
from lamella.layering.strategy import Churn, Seen

USUAL_RATE = 0.06
"""The share of packages that change in an update, before anything was seen: that of a Python image updated weekly."""

USUAL_WEIGHT = 50
"""How many packages, seen over one update, that is worth."""

RATE_WEIGHT = 10
"""How many updates of one package the usual rate of its image is worth."""

BOND = 0.8
"""The bond of a family of which nothing is known."""

CLOSEST = 0.95
"""The highest bond: that packages never changed apart does not prove that they never will."""

BOND_WEIGHT = 2
"""How many changes that could have been one that is worth."""


@dataclass(frozen=True, slots=True)
class Odds:
    """For each name the chance that it stays as it is in the next update; the family of those in one, and its bond."""

    calm: Mapping[str, float]
    family: Mapping[str, str]
    bond: Mapping[str, float]


def odds(churn: Churn, names: Iterable[str]) -> Odds:
    """What `churn` says of packages with these names."""
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
