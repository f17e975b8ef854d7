"""What figures become: turns, ratios of rounds, tables, and a page that says what the results say."""

from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.__main__ import RESULTS
from benchmarks.measure import OURS, Figures, Task, Way, race
from benchmarks.page import PAGE, brought_up_to_date, glance, results_in, table
from benchmarks.plots import draw
from benchmarks.results import Factor, Result, factor, read, write
from benchmarks.topics import TOPICS, title_of

TASK = Task(
    "a task", [Figures(OURS, [1.0, 2.0, 4.0]), Figures("other", [3.0, 4.0, 4.0]), Figures("gone", [], "not here")]
)
RESULT = Result("build", "much", [TASK], "2 cores", "2026-01-02", {"tar": "1.34"})


def test_ways_take_turns_and_each_begins_a_round() -> None:
    order: list[str] = []
    ways = [Way(name, lambda name=name: order.append(name)) for name in "abc"]  # type: ignore[misc]
    race("order", [*ways, Way("gone", lambda: None, absent="not here")], 3)
    assert "".join(order) == "abcbcacab"


def test_what_is_done_before_is_not_measured() -> None:
    def slow() -> None:
        import time

        time.sleep(0.05)

    found = race("quick", [Way(OURS, lambda: None, slow)], 2)
    assert max(found.figures[0].values) < 0.04


def test_a_way_may_give_its_own_figure() -> None:
    assert race("rate", [Way(OURS, lambda: 42.0)], 2, unit="MB/s").figures == [Figures(OURS, [42.0, 42.0])]


def test_ratios_are_of_rounds() -> None:
    assert factor(TASK, TASK.figures[1]) == Factor(2.0, 1.0, 3.0)


def test_of_rates_more_is_better() -> None:
    assert factor(replace(TASK, unit="/s"), TASK.figures[1]) == Factor(0.5, 1 / 3, 1.0)


@pytest.mark.parametrize("number", [0, 2])
def test_no_ratio_beside_itself_or_nothing(number: int) -> None:
    assert factor(TASK, TASK.figures[number]) is None


def test_a_table_names_what_is_absent() -> None:
    shown = "\n".join(table(RESULT))
    assert "| a task | 2.00 s | 4.00 s, 2.0 × (1.00 to 3.0) | – |" in shown
    assert "Not measured: gone: not here." in shown


def test_the_best_of_the_others_is_shown_even_if_it_is_better() -> None:
    better = replace(TASK, figures=[*TASK.figures, Figures("best", [0.5, 1.0, 2.0])])
    assert "1.00 s, best | 0.50 × |" in "\n".join(glance([replace(RESULT, tasks=[better])]))


def test_results_are_read_as_written(tmp_path: Path) -> None:
    write(RESULT, tmp_path)
    assert read(tmp_path / "build.json") == RESULT


def test_the_page_says_what_the_results_say() -> None:
    page = PAGE.read_text()
    assert brought_up_to_date(page, results_in(RESULTS)) == page
    assert all(f"<!-- made: {topic} -->" in page for topic in TOPICS)


@pytest.mark.parametrize("result", results_in(RESULTS), ids=lambda result: result.topic)
def test_plots_are_those_of_the_results(result: Result) -> None:
    assert (RESULTS / f"{result.topic}.svg").read_text() == draw(title_of(result.topic), result)
