"""How everything here is measured: programs take turns at one task, round by round.

What one round measures of two programs was measured within seconds on the same machine, so a round is a pair, and the
ratio is taken in each pair before the median of them is: a machine that is slow for a minute is slow for all. Each round
begins with another program.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

Choice = TypeVar("Choice")

OURS = "lamella"
RATES = ("MB/s", "/s")
"""Units of which more is better; of all others less is."""


def nothing() -> None:
    """What most ways have to do before."""


@dataclass(frozen=True)
class Way:
    """How one program does a task: `before` is not measured, and what `act` gives is the figure, else its seconds are."""

    name: str
    act: Callable[[], float | None]
    before: Callable[[], object] = nothing
    absent: str = ""


@dataclass(frozen=True)
class Figures:
    """What was found of one way, round by round; nothing, and why, if it could not be measured."""

    way: str
    values: list[float] = field(default_factory=list)
    absent: str = ""


@dataclass(frozen=True)
class Task:
    """What was measured of one task. Tasks with an `at` are points of a line of growth, called `name`."""

    name: str
    figures: list[Figures]
    unit: str = "s"
    at: int | None = None


@dataclass(frozen=True)
class Size:
    """How much is measured. What is `tiny` shows that all of it works, and says nothing of speed."""

    tiny: bool = False

    def rounds(self, count: int) -> int:
        return 1 if self.tiny else count

    def pick(self, full: Choice, tiny: Choice) -> Choice:
        return tiny if self.tiny else full


def race(name: str, ways: Sequence[Way], rounds: int, *, unit: str = "s", at: int | None = None) -> Task:
    """Measures all of `ways`, which take turns."""
    found: dict[str, list[float]] = {way.name: [] for way in ways}
    able = [way for way in ways if not way.absent]
    for turn in range(rounds):
        first = turn % max(len(able), 1)
        for way in able[first:] + able[:first]:
            found[way.name].append(_figure(way))
    return Task(name, [Figures(way.name, found[way.name], way.absent) for way in ways], unit, at)


def _figure(way: Way) -> float:
    way.before()
    started = time.perf_counter()
    figure = way.act()
    lasted = time.perf_counter() - started
    return round(lasted if figure is None else figure, 4)
