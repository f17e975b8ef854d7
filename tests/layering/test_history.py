"""What the benchmark shows stays true: a year of real updates under a tight budget."""

import pytest
from benchmarks.history import changed, moved, read_history

from lamella.closure import Closure
from lamella.layering import Budget, strategy


@pytest.fixture(scope="module")
def weeks() -> list[Closure]:
    return read_history()


def test_the_least_that_can_move_is_known(weeks: list[Closure]) -> None:
    assert round(changed(weeks) / 1e9, 2) == 22.84


@pytest.mark.parametrize(("layers", "gigabytes"), [(40, 26.5), (20, 37)])
def test_steady_moves_little(weeks: list[Closure], layers: int, gigabytes: float) -> None:
    assert moved(weeks, strategy("steady"), Budget(layers)) < gigabytes * 1e9


@pytest.mark.parametrize("start", [9, 31])
def test_steady_moves_less_than_size_wherever_a_history_begins(weeks: list[Closure], start: int) -> None:
    part = weeks[start : start + 16]
    assert moved(part, strategy("steady"), Budget(20)) < 0.85 * moved(part, strategy("size"), Budget(20))
