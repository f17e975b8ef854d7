"""Bar charts as SVG, readable on light and on dark ground, without a plotting library."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328 }
.faint { fill: #656d76 }
.head { font-weight: 600 }
.bar { fill: #8c959f }
.ours { fill: #1a7f37 }
.line { stroke: #cf222e; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .faint { fill: #8d96a0 } .bar { fill: #6e7681 } .ours { fill: #3fb950 } .line { stroke: #ff7b72 }
}
"""

LEFT, WIDTH, STEP, GAP, TOP = 120, 480, 22, 34, 74


@dataclass(frozen=True)
class Chart:
    """`groups` are titles with their bars (label and value); `best` is the label to stress, `mark` a line and its name."""

    title: str
    about: str
    groups: Sequence[tuple[str, Sequence[tuple[str, float]]]]
    best: str
    mark: tuple[str, float]


def draw(chart: Chart) -> str:
    """The SVG document of `chart`."""
    scale = WIDTH / max(value for _, bars in chart.groups for _, value in bars)
    name, mark = chart.mark
    at = f"{LEFT + mark * scale:.1f}"
    parts: list[str] = []
    y = TOP
    for title, bars in chart.groups:
        parts.append(f'<text class="head" x="{LEFT}" y="{y}">{escape(title)}</text>')
        top = y + 6
        for label, value in bars:
            y += STEP
            parts += _bar(label, value, scale, y, label == chart.best)
        parts.append(f'<line class="line" x1="{at}" x2="{at}" y1="{top}" y2="{y + 8}"/>')
        y += GAP
    height = y - GAP + 34
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 60} {height}" role="img">
<title>{escape(chart.title)}</title>
<style>{STYLE}</style>
<text class="head" x="12" y="24">{escape(chart.title)}</text>
<text class="faint" x="12" y="44">{escape(chart.about)}</text>
{chr(10).join(parts)}
<text class="faint" x="{at}" y="{height - 10}" text-anchor="middle">{escape(name)}: {mark:.1f}</text>
</svg>
"""


def _bar(label: str, value: float, scale: float, y: int, best: bool) -> list[str]:
    long = value * scale
    return [
        f'<text x="{LEFT - 8}" y="{y}" text-anchor="end">{escape(label)}</text>',
        f'<rect class="{"ours" if best else "bar"}" x="{LEFT}" y="{y - 12}" width="{long:.1f}" height="15" rx="2"/>',
        f'<text class="faint" x="{LEFT + long + 6:.1f}" y="{y}">{value:.1f}</text>',
    ]
