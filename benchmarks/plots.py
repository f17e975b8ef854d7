"""Plots as SVG, in one style, without a plotting library.

They have a ground of their own and follow the reader's dark or light setting, so they can be read on any page.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from benchmarks.measure import OURS, Figures, Task
from benchmarks.results import Result, middle
from benchmarks.words import better, figure

STYLE = """
.ground { fill: #ffffff } text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328 }
.faint { fill: #656d76 } .head { font-weight: 600 } .grid { stroke: #d8dee4 } .range { stroke: #57606a; stroke-width: 2 }
.s0 { fill: #1a7f37; stroke: #1a7f37 } .s1 { fill: #8c959f; stroke: #6e7781 } .s2 { fill: #bc4c00; stroke: #bc4c00 }
.s3 { fill: #0969da; stroke: #0969da } .s4 { fill: #8250df; stroke: #8250df } .s5 { fill: #9a6700; stroke: #9a6700 }
rect.s0, rect.s1 { stroke: none } path { fill: none !important; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117 } text { fill: #e6edf3 } .faint { fill: #8d96a0 } .grid { stroke: #30363d } .range { stroke: #c9d1d9 }
  .s0 { fill: #3fb950; stroke: #3fb950 } .s1 { fill: #6e7681; stroke: #8b949e } .s2 { fill: #f0883e; stroke: #f0883e }
  .s3 { fill: #58a6ff; stroke: #58a6ff } .s4 { fill: #bc8cff; stroke: #bc8cff } .s5 { fill: #d29922; stroke: #d29922 }
}
"""
WIDTH, LEFT, RIGHT = 760, 210, 640
BEST = (OURS, "steady")
"""What is stressed."""


def draw(title: str, result: Result) -> str:
    """The SVG document: lines for tasks that are points of growth, bars for all others."""
    parts: list[str] = []
    y = 76
    for _, group in groupby(result.tasks, key=lambda task: task.name):
        tasks = list(group)
        y = _bars(tasks[0], y, parts) if tasks[0].at is None else _lines(tasks, y, parts)
    under = " · ".join(part for part in (result.facts, result.date, result.machine) if part)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<rect class="ground" width="{WIDTH}" height="{y}" rx="6"/>
<text class="head" x="16" y="26">{escape(title)}</text>
<text class="faint" x="16" y="46">{escape(under)}</text>
{chr(10).join(parts)}
</svg>
"""


def _bars(task: Task, y: int, parts: list[str]) -> int:
    """A bar for each way, with the range of its rounds; gives where the next panel begins."""
    measured = [one for one in task.figures if one.values]
    scale = (RIGHT - LEFT) / max((max(one.values) for one in measured), default=1)
    parts.append(_text(LEFT, y, f"{task.name} ({better(task.unit)})", "head"))
    for one in task.figures:
        y += 22
        parts.append(_text(LEFT - 8, y, one.way, anchor="end"))
        parts += _bar(one, task.unit, scale, y) if one.values else [_text(LEFT, y, one.absent, "faint")]
    return y + 36


def _bar(one: Figures, unit: str, scale: float, y: int) -> Iterator[str]:
    low, at, high = (value * scale for value in (min(one.values), middle(one), max(one.values)))
    color = "s0" if one.way in BEST else "s1"
    yield f'<rect class="{color}" x="{LEFT}" y="{y - 12}" width="{at:.1f}" height="15" rx="2"/>'
    if high - low > 1:
        yield f'<path class="range" d="M{LEFT + low:.1f} {y - 4.5}H{LEFT + high:.1f}"/>'
    yield _text(LEFT + max(at, high) + 8, y, figure(middle(one), unit), "faint")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


TALL, FROM, TO = 190, 70, 520
COLORS = {"docker": 3, "podman": 4, "umoci": 2, "skopeo": 2, "tar": 5}
"""Of lines, by the program; the same in all panels."""


def _lines(tasks: Sequence[Task], y: int, parts: list[str]) -> int:
    """A line for each way through the medians, both axes logarithmic; gives where the next panel begins."""
    unit = tasks[0].unit
    points = {
        one.way: [
            (float(task.at or 0), middle(found))
            for task in tasks
            for found in task.figures
            if found.way == one.way and found.values
        ]
        for one in tasks[0].figures
    }
    points = {way: line for way, line in points.items() if line}
    across = Axis([x for line in points.values() for x, _ in line], FROM, TO)
    up = Axis([value for line in points.values() for _, value in line], y + 12 + TALL, y + 12)
    parts.append(_text(16, y, f"{tasks[0].name} ({better(unit)})", "head"))
    for x in sorted({x for line in points.values() for x, _ in line}):
        parts.append(_text(across.at(x), y + TALL + 32, f"{x:,.0f}", "faint", "middle"))
    for value in up.ticks():
        parts.append(f'<path class="grid" style="stroke-width:1" d="M{FROM} {up.at(value):.1f}H{TO}"/>')
        parts.append(_text(FROM - 8, up.at(value) + 4, figure(value, unit), "faint", "end"))
    ends = _apart({way: up.at(line[-1][1]) for way, line in points.items()})
    for way, line in points.items():
        color = 0 if way in BEST else COLORS.get(way.split()[0], 1)
        told = "M" + "L".join(f"{across.at(x):.1f} {up.at(value):.1f}" for x, value in line)
        parts.append(f'<path class="s{color}" d="{told}"/>')
        parts += [f'<circle class="s{color}" cx="{across.at(x):.1f}" cy="{up.at(v):.1f}" r="3"/>' for x, v in line]
        parts.append(_text(TO + 12, ends[way] + 4, f"{way}, {figure(line[-1][1], unit)}"))
    return y + TALL + 72


class Axis:
    """A logarithmic axis over `values`, between two places."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low, self._high = math.log10(min(values) / 1.1), math.log10(max(values) * 1.1)
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        return self._start + (math.log10(value) - self._low) / (self._high - self._low) * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Powers of ten, or finer steps where there are few of these."""
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5)):
            found = [step * 10.0**power for power in powers for step in steps]
            inside = [value for value in found if self._low <= math.log10(value) <= self._high]
            if len(inside) > 2:
                break
        return inside


def _apart(places: dict[str, float]) -> dict[str, float]:
    """The same, moved down where two lines of text would be in one place."""
    found: dict[str, float] = {}
    last = -math.inf
    for way, place in sorted(places.items(), key=lambda item: (item[1], item[0])):
        last = max(place, last + 16)
        found[way] = last
    return found
