"""The picture of layers: nothing overlaps, everything is filled, and areas show sizes."""

from hypothesis import given
from hypothesis import strategies as st

from lamella.report.treemap import _GAP, Box, Part, _places, label, tiles

sizes = st.lists(st.integers(0, 10**11), min_size=1, max_size=60)


def area(box: Box) -> float:
    return box.width * box.height


def overlap(one: Box, other: Box) -> float:
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(0.0, width) * max(0.0, height)


@given(sizes)
def test_boxes_fill_the_whole_and_do_not_overlap(found: list[int]) -> None:
    whole = Box(0, 0, 1000, 400)
    parts = [Part(str(i), size) for i, size in enumerate(found)]
    placed = _places(parts, whole)
    assert [part for part, _ in placed] == parts
    boxes = [box for _, box in placed]
    assert abs(sum(map(area, boxes)) - area(whole)) < 1
    for i, one in enumerate(boxes):
        assert one.x >= -0.01
        assert one.y >= -0.01
        assert one.x + one.width <= 1000.01
        assert one.y + one.height <= 400.01
        assert all(overlap(one, other) < 0.5 for other in boxes[:i])


def test_areas_say_sizes() -> None:
    (_, small), (_, large) = _places([Part("a", 100), Part("b", 300)], Box(0, 0, 100, 100))
    assert abs(area(large) / area(small) - 3) < 0.01


def test_labels_are_as_long_as_there_is_room() -> None:
    one, other = tiles([Part("a-package-with-a-long-name", 9), Part("b", 1)], 120, 100)
    shown = label(one.part.name, one.letters)
    assert shown.endswith("…")
    assert len(shown) * 6.9 < 110
    assert label("b", other.letters) == ""
    (inner,) = tiles([Part("outer", 1, (Part("inner", 1),))], 200, 100)[0].tiles
    assert inner.box.x >= _GAP / 2
    assert label("inner", inner.letters) == "inner"
    assert inner.box.y > 15, "there is room for the outer name above it"
