"""What the benchmarks that time whole commands have in common: how a result is told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Seconds of each round; `ratio` is how many times as long as lamella this took, at the median."""

    task: str
    way: str
    seconds: list[float]
    ratio: float
