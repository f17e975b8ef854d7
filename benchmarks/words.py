"""Figures as people read them, for the page, the plots and the terminal."""

from benchmarks.measure import RATES
from benchmarks.results import Factor


def figure(value: float, unit: str) -> str:
    """With its unit: two to three digits that say something."""
    if unit == "s" and value < 0.1:
        return f"{_digits(value * 1000)} ms"
    if unit == "/s":
        return f"{value:,.0f}/s"
    return f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(factor: Factor) -> str:
    """With the range of the rounds."""
    low, high = _short(factor.low), _short(factor.high)
    return f"{_short(factor.middle)} ×" + (f" ({low} to {high})" if low != high else "")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def better(unit: str) -> str:
    return "more is better" if unit in RATES else "less is better"
