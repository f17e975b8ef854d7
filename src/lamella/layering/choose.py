"""Finds the strategy that a spec names or describes."""

from collections.abc import Mapping, Sequence

from lamella.layering.steps import pipeline
from lamella.layering.strategy import Strategy
from lamella.layering.table import STRATEGIES, unknown


def strategy(told: str | Sequence[Mapping[str, object]]) -> Strategy:
    """Return the strategy with that name, or the one that a list of steps describes."""
    if not isinstance(told, str):
        return pipeline(told)
    if told not in STRATEGIES:
        raise unknown("there is no layering strategy", told, STRATEGIES)
    return STRATEGIES[told]
