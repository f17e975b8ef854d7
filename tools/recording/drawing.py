"""Frames of a terminal as one SVG: a strip that moves along, so that it plays everywhere that shows pictures."""

from collections.abc import Sequence
from html import escape
from itertools import accumulate, groupby

from tools.recording.terminal import COLUMNS, ROWS, Frame, Row

WIDE, HIGH, EDGE, BAR = 7.8, 17, 14, 30
WIDTH, HEIGHT = round(COLUMNS * WIDE + 2 * EDGE), ROWS * HIGH + 2 * EDGE + BAR
COLOURS = {
    "default": "#d6dde6", "black": "#6b7684", "red": "#ff8078", "green": "#56d364", "brown": "#e3b341",
    "blue": "#79b8ff", "magenta": "#d2a8ff", "cyan": "#56d4dd", "white": "#f0f6fc",
}  # fmt: skip
STYLE = """
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre }
.title { font-family: system-ui, sans-serif; fill: #8b95a3 }
"""


def draw(title: str, frames: Sequence[Frame]) -> str:
    """Return the SVG document that plays `frames` forever; with reduced motion, it shows the last one."""
    numbers = {row: number for number, row in enumerate(dict.fromkeys(row for frame in frames for row in frame.rows))}
    rows = [f'<g id="r{number}">{_letters(row)}</g>' for row, number in numbers.items() if row]
    strip = [_frame(frame, at * WIDTH, numbers) for at, frame in enumerate(frames)]
    ends = list(accumulate(frame.seconds for frame in frames))
    steps = [
        f"{100 * start / ends[-1]:.2f}% {{ transform: translateX({-at * WIDTH}px) }}"
        for at, start in enumerate([0.0, *ends[:-1]])
    ]
    last = f"translateX({-(len(frames) - 1) * WIDTH}px)"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>{escape(title)}</title>
<style>{STYLE}
.strip {{ animation: play {ends[-1]:.1f}s steps(1, end) infinite; transform: {last} }}
@keyframes play {{ {" ".join(steps)} 100% {{ transform: {last} }} }}
@media (prefers-reduced-motion: reduce) {{ .strip {{ animation: none }} }}
</style>
<defs>{"".join(rows)}</defs>
<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#161b22"/>
<circle cx="20" cy="16" r="5" fill="#ff5f56"/>
<circle cx="38" cy="16" r="5" fill="#ffbd2e"/>
<circle cx="56" cy="16" r="5" fill="#27c93f"/>
<text class="title" x="{WIDTH / 2:.0f}" y="21" text-anchor="middle">{escape(title)}</text>
<svg y="{BAR}" width="{WIDTH}" height="{HEIGHT - BAR}"><g class="strip">{"".join(strip)}</g></svg>
</svg>
"""


def _frame(frame: Frame, x: int, numbers: dict[Row, int]) -> str:
    used = (
        f'<use href="#r{numbers[row]}" x="{x + EDGE}" y="{EDGE + (at + 1) * HIGH - 5}"/>'
        for at, row in enumerate(frame.rows)
        if row
    )
    return "".join(used)


def _letters(row: Row) -> str:
    """Return a row's characters, grouped by style; each group has a fixed width, whatever the font."""
    parts, x = [], 0
    for (colour, bold), cells in groupby(row, key=lambda cell: cell[1:]):
        text = "".join(cell[0] for cell in cells)
        if text.strip():
            weight = ' font-weight="700"' if bold else ""
            parts.append(
                f'<text x="{x * WIDE:.1f}" textLength="{len(text) * WIDE:.1f}" '
                f'fill="{COLOURS.get(colour) or "#" + colour}"{weight}>{escape(text)}</text>'
            )
        x += len(text)
    return "".join(parts)
