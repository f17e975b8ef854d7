"""A picture of layers and what is in them: rectangles whose areas show sizes.

Each rectangle is divided so that its parts are as close to squares as possible, the largest first (a squarified
treemap).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDE, NARROW = (1000.0, 420.0), (360.0, 480.0)
"""The sizes of the picture on wide and on narrow screens."""
_LEAST = 0.004
"""The smallest share of the whole that any part gets, so that it can be seen and clicked."""
_GAP = 2.0
_LETTER, _LINE, _MARGIN = 6.9, 15.0, 5.0
_FEWEST_LETTERS = 3
_HEAD = 18.0
"""The height reserved for the name of a tile that contains tiles, if there is room."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def within(self, gap: float) -> "Box":
        """The box inside a border."""
        return Box(self.x + gap, self.y + gap, max(0.0, self.width - 2 * gap), max(0.0, self.height - 2 * gap))

    def below(self, head: float) -> "Box":
        """The box below a line of text, inside a border."""
        return Box(self.x, self.y + head, self.width, self.height - head).within(_GAP / 2)


@dataclass(frozen=True, slots=True)
class Part:
    """Something that has a size, and maybe parts of its own."""

    name: str
    size: int
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """A part in its place, with room for `letters` letters of its name."""

    part: Part
    box: Box
    letters: int
    tiles: tuple["Tile", ...] = ()


def tiles(parts: Sequence[Part], width: float, height: float) -> tuple[Tile, ...]:
    """Places for `parts` and for their parts, in the order of `parts`."""
    return _placed(parts, Box(0.0, 0.0, width, height))


def label(name: str, letters: int) -> str:
    """As much of a name as there is room for."""
    return name if len(name) <= letters else name[: max(0, letters - 1)] + "…" * bool(letters)


def _placed(parts: Sequence[Part], box: Box) -> tuple[Tile, ...]:
    return tuple(_tile(part, place.within(_GAP / 2)) for part, place in _places(parts, box))


def _tile(part: Part, box: Box) -> Tile:
    letters = _letters(box, 3 * _HEAD if part.parts else _LINE)
    inner = box.below(_HEAD) if letters else box.within(_GAP / 2)
    return Tile(part, box, letters, _placed(part.parts, inner))


def _letters(box: Box, height: float) -> int:
    """How many letters of a name fit, in a tile at least this high."""
    letters = int((box.width - 2 * _MARGIN) / _LETTER)
    return letters if letters >= _FEWEST_LETTERS and box.height >= height else 0


def _places(parts: Sequence[Part], box: Box) -> list[tuple[Part, Box]]:
    """The parts with their boxes, in their order."""
    total = sum(part.size for part in parts)
    weights = [max(part.size, total * _LEAST, 1) for part in parts]
    order = sorted(range(len(parts)), key=lambda i: (-weights[i], i))
    boxes = dict(zip(order, _divided([weights[i] for i in order], box), strict=True))
    return [(part, boxes[i]) for i, part in enumerate(parts)]


def _divided(weights: Sequence[float], box: Box) -> Iterator[Box]:
    """Boxes for `weights`, in falling order: row after row along the shorter side."""
    left = sum(weights)
    at = 0
    while at < len(weights):
        count = _row(weights, at, box, left)
        row = weights[at : at + count]
        share = sum(row) / left if left else 0.0
        yield from _along(row, box, share)
        box = _rest(box, share)
        left -= sum(row)
        at += count


def _row(weights: Sequence[float], at: int, box: Box, left: float) -> int:
    """How many of the next weights make the best row."""
    side = min(box.width, box.height)
    scale = box.width * box.height / left if left else 0.0
    total = smallest = 0.0
    best = float("inf")
    for count, weight in enumerate(weights[at:]):
        area = weight * scale
        total, smallest = total + area, area
        worst = _worst(weights[at] * scale, smallest, total, side)
        if worst > best:
            return count
        best = worst
    return len(weights) - at


def _worst(largest: float, smallest: float, total: float, side: float) -> float:
    """How far the worst box in a row of areas is from a square."""
    if not (total and smallest and side):
        return float("inf")
    return max(side * side * largest / (total * total), total * total / (side * side * smallest))


def _along(row: Sequence[float], box: Box, share: float) -> Iterator[Box]:
    total, before = sum(row), 0.0
    for weight in row:
        if box.width >= box.height:
            yield Box(box.x, box.y + box.height * before, box.width * share, box.height * weight / total)
        else:
            yield Box(box.x + box.width * before, box.y, box.width * weight / total, box.height * share)
        before += weight / total


def _rest(box: Box, share: float) -> Box:
    if box.width >= box.height:
        return Box(box.x + box.width * share, box.y, box.width * (1 - share), box.height)
    return Box(box.x, box.y + box.height * share, box.width, box.height * (1 - share))
