"""What was found, in words: tables for the terminal and for docs/benchmarks.md, whose generated parts stand between marks."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.measure import OURS, RATES, Figures, Task
from benchmarks.results import Result, factor, middle, read
from benchmarks.topics import TOPICS, title_of
from benchmarks.words import figure, times

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
AT_A_GLANCE = ("build", "python", "push", "load", "memory", "serving", "nix")
"""Topics in which lamella stands beside other programs, as people use them."""
LIMITS = ("nginx",)
"""What does less than the task asks for, and shows what the machine can do."""


def table(result: Result) -> Iterator[str]:
    """In Markdown: a row for each task, a column for each way; a new table where the ways are others."""
    for ways, tasks in groupby(result.tasks, key=lambda task: [one.way for one in task.figures]):
        yield f"| | {' | '.join(map(_literal, ways))} |"
        yield "| --- |" + " --- |" * len(ways)
        for task in tasks:
            name = task.name if task.at is None else f"{task.name}: {task.at:,}"
            yield f"| {name} | {' | '.join(_cell(task, one) for one in task.figures)} |"
        yield ""
    absent = {f"{one.way}: {one.absent}" for task in result.tasks for one in task.figures if one.absent}
    if absent:
        yield f"Not measured: {'; '.join(sorted(absent))}."
        yield ""


def _cell(task: Task, one: Figures) -> str:
    if not one.values:
        return "–"
    found = factor(task, one)
    return figure(middle(one), task.unit) + (f", {times(found)}" if found else "")


def _literal(way: str) -> str:
    """Pipes have the same sign as a table's columns."""
    return way.replace("|", "\\|")


def told(result: Result) -> Iterator[str]:
    """For the terminal."""
    yield f"{title_of(result.topic)} ({result.facts})"
    for task in result.tasks:
        yield f"  {task.name}" + ("" if task.at is None else f": {task.at:,}")
        for one in task.figures:
            yield f"    {one.way:32} {_cell(task, one) if one.values else one.absent}"


def glance(results: Sequence[Result]) -> Iterator[str]:
    """Each task beside whoever of the others does it best."""
    yield "| | | lamella | the best of the others | lamella does so many times as well |"
    yield "| --- | --- | --- | --- | --- |"
    for result in results:
        for task in result.tasks if result.topic in AT_A_GLANCE else ():
            ours = next((one for one in task.figures if one.way == OURS and one.values), None)
            rivals = [one for one in task.figures if one.values and not one.way.startswith((OURS, *LIMITS))]
            if not ours or not rivals:
                continue
            best = (max if task.unit in RATES else min)(rivals, key=middle)
            found = factor(task, best)
            beside = f"{figure(middle(best), task.unit)}, {_literal(best.way)}"
            title = title_of(result.topic)
            yield f"| {title} | {task.name} | {figure(middle(ours), task.unit)} | {beside} | {times(found) if found else ''} |"
    yield ""


def where(results: Sequence[Result]) -> Iterator[str]:
    """The machine, the day, the programs; more than one of each if topics were measured apart."""
    for date, machine in sorted({(result.date, result.machine) for result in results}):
        yield f"Measured on {date}: {machine}."
    programs = {name: version for result in results for name, version in result.programs.items()}
    yield f"With {', '.join(f'{name} {version}' for name, version in programs.items())}."
    yield ""


def topic_part(result: Result) -> Iterator[str]:
    """What was measured, its plot, and its tables."""
    counts = {len(one.values) for task in result.tasks for one in task.figures if one.values}
    rounds = f"{' or '.join(map(str, sorted(counts)))} rounds" if counts != {1} else ""
    yield f"*{', '.join(part for part in (result.facts, rounds) if part)}*"
    yield ""
    yield f"![{title_of(result.topic)}](../benchmarks/results/{result.topic}.svg)"
    yield ""
    yield from table(result)


def brought_up_to_date(text: str, results: Sequence[Result]) -> str:
    """The page with all of its generated parts made anew; the parts of topics without results stay as they are."""
    made = {result.topic: topic_part(result) for result in results}
    made |= {"glance": glance(results), "where": where(results)}

    def part(match: re.Match[str]) -> str:
        lines = made.get(match[2])
        return match[0] if lines is None else match[1] + "\n" + "\n".join(lines) + match[3]

    return PART.sub(part, text)


def results_in(folder: Path) -> list[Result]:
    """In the order of the page."""
    return [read(folder / f"{topic}.json") for topic in TOPICS if (folder / f"{topic}.json").exists()]
