"""Bundles: packages that may share a layer, with what that would cost.

A layer moves as a whole when one of its packages changes. So the bytes it is expected to move are its size times the
chance that not all packages stay calm. Chances are only multiplied and added, so every machine gets the same results.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lamella.layering.odds import Odds
from lamella.layering.strategy import Group
from lamella.package import Package


class Kin(NamedTuple):
    """Members of one family in a bundle: the chance that all stay calm if they change independently, the same if they
    change together, and how strongly they do."""

    apart: float
    united: float
    bond: float

    @property
    def calm(self) -> float:
        return self.bond * self.united + (1 - self.bond) * self.apart

    def joined(self, other: "Kin") -> "Kin":
        return Kin(self.apart * other.apart, min(self.united, other.united), self.bond)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """`calm` is the chance that no package changes; `kin` has the families that may have members in other bundles."""

    packages: Group
    size: int
    calm: float
    kin: Mapping[str, Kin]
    kept: bool = False

    @property
    def cost(self) -> float:
        """How many bytes it is expected to move in an update."""
        return self.size * (1 - self.calm)


def bundle(packages: Iterable[Package], odds: Odds, kept: bool = False) -> Bundle:
    """Return the bundle of `packages`; `kept` if it is an existing layer, which would have to move if it changed."""
    members = tuple(packages)
    kin: dict[str, Kin] = {}
    calm = 1.0
    for package in members:
        alone = odds.calm[package.name]
        first = odds.family.get(package.name)
        if first is None:
            calm *= alone
        else:
            own = Kin(alone, alone, odds.bond[first])
            kin[first] = kin[first].joined(own) if first in kin else own
    for own in kin.values():
        calm *= own.calm
    return Bundle(members, sum(package.size for package in members), calm, kin, kept)


def joined(one: Bundle, other: Bundle) -> Bundle:
    """Return the bundle of the packages of both."""
    kin = dict(one.kin)
    for first, own in other.kin.items():
        kin[first] = kin[first].joined(own) if first in kin else own
    return Bundle(one.packages + other.packages, one.size + other.size, calm_together(one, other), kin)


def calm_together(one: Bundle, other: Bundle) -> float:
    """Return the chance that both stay calm: the `calm` of `joined`."""
    calm = one.calm * other.calm
    if not calm or one.kin.keys().isdisjoint(other.kin):
        return calm
    for first in sorted(one.kin.keys() & other.kin.keys()):
        mine, theirs = one.kin[first], other.kin[first]
        calm *= mine.joined(theirs).calm / (mine.calm * theirs.calm)
    return calm
