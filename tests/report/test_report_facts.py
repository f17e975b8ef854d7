"""What reports show: why packages are included, what changed and what that costs, and what is wasted."""

import random

from tests.report.pictured import APP, EVIL, NUMPY, PYTHON, file, foreign, image, layer, package, python, told

from lamella.report.facts import Facts, facts
from lamella.report.files import File, Sort
from lamella.report.page import data_of
from lamella.report.stack import changed, stacked, twins
from lamella.report.tree import MOST, Node


def named(found: Facts) -> dict[str, int]:
    return {one.id: number for number, one in enumerate(found.packages)}


def below(node: Node) -> list[Node]:
    return [node, *(inner for part in node.parts for inner in below(part))]


def test_packages_are_told_with_what_brings_them() -> None:
    found = told()
    numbers = named(found)
    first, numpy, app = (found.packages[numbers[one]] for one in (PYTHON, NUMPY, APP))
    assert (first.by, numpy.by, app.by) == (numbers[NUMPY], numbers[APP], -1)
    assert app.needs == [numbers[NUMPY]]
    assert [one.layer for one in (first, numpy, app)] == [0, 1, 2]
    assert [one.size for one in found.packages] == sorted((one.size for one in found.packages), reverse=True)


def test_a_change_is_told_with_what_it_costs() -> None:
    found = told()
    assert found.change is not None
    assert (found.change.before, found.change.fetched, found.change.kept) == ("before", 10_000_000, 2)
    assert [one.fetched for one in found.layers] == [False, True, False]
    assert [one.why for one in found.layers] == ["same as in before", "numpy changed", "same as in before"]
    assert {one.id: one.state for one in found.packages if one.state} == {NUMPY: "changed"}
    assert found.change.files is not None
    assert {how: waste.count for how, waste in found.change.files.items()} == {"added": 0, "changed": 2, "removed": 0}


def test_what_is_gone_is_told() -> None:
    old = image("old", {layer("a", 10, package("x", 5), package("y", 5)): None})
    found = facts(image("new", {layer("a", 9, package("x", 5)): None}), old)
    assert found.change is not None
    assert found.change.removed == ["y"]
    assert found.packages[0].state == "moved"
    assert found.layers[0].why == "regrouped, or under other rules"
    assert found.change.files is None
    assert found.hidden is None


def test_twins_are_contents_that_are_there_twice() -> None:
    found = told().twins
    assert found is not None
    assert (found.count, found.size) == (1, 20_000_000)
    assert found.largest[0].places == [f"{NUMPY}/lib/core.so", f"{APP}/core.so"]


def test_what_layers_hide_is_told_with_who_hides_it() -> None:
    found = facts(foreign())
    assert found.hidden is not None
    told = {one.places[0]: (one.size, one.layer, one.about) for one in found.hidden.largest}
    assert told == {
        "/srv/data/one": (1_000, 0, "hidden by RUN rm"),
        "/usr/bin/tool": (500, 0, "hidden by COPY tool"),
        "/etc/passwd": (100, 0, "hidden by RUN rm"),
        "/etc/own": (8, 0, "hidden by RUN rm"),
    }
    assert [(one.about, one.times, one.size) for one in found.leftovers] == [
        ("package lists downloaded by apt", 1, 9_000)
    ]
    assert (found.files, found.packages) == (4, [])


def test_a_stack_shows_what_a_container_would_find() -> None:
    seen = stacked(foreign().files).seen
    assert {path: one.layer for path, one in seen.items() if one.file.sort is Sort.FILE} == {
        "/usr/lib/big": 0,
        "/var/lib/apt/lists/debian": 0,
        "/etc/own": 1,
        "/usr/bin/tool": 2,
    }


def test_a_file_takes_the_place_of_a_folder() -> None:
    low = (File("/a", Sort.FOLDER), file("/a/one", 1), file("/ab", 2))
    stack = stacked((low, (file("/a", 3),)))
    assert sorted(stack.seen) == ["/a", "/ab"]
    assert [one.placed.file.path for one in stack.hidden] == ["/a/one"]


def test_a_folder_that_no_layer_names_is_taken_away_with_what_is_in_it() -> None:
    low = (file("/srv/data/deep/one", 1), file("/srv/data.txt", 2), file("/etc/one", 3))
    stack = stacked((low, (File("/srv/.wh.data", Sort.OTHER), File("/etc/.wh..wh..opq", Sort.OTHER))))
    assert list(stack.seen) == ["/srv/data.txt"]
    assert [one.placed.file.path for one in stack.hidden] == ["/srv/data/deep/one", "/etc/one"]


def test_a_folder_that_comes_again_hides_nothing() -> None:
    low = (File("/a", Sort.FOLDER), file("/a/one", 1))
    stack = stacked((low, (File("/a", Sort.FOLDER), file("/a/two", 1)), None))
    assert sorted(stack.seen) == ["/a", "/a/one", "/a/two"]
    assert stack.hidden == []


def test_files_differ_by_what_is_in_them() -> None:
    old, new = (stacked(((file("/same", 1), file("/other", 1, what=text), file(f"/{text}", 1)),)) for text in "xy")
    assert [(how, one.path) for how, one in changed(old, new)] == [
        ("changed", "/other"),
        ("added", "/y"),
        ("removed", "/x"),
    ]


def test_empty_files_are_no_twins() -> None:
    assert twins(stacked(((file("/a", 0, what="-"), file("/b", 0, what="-")),))) == []


def test_the_picture_leads_from_layers_to_files() -> None:
    found = told().picture
    assert [(part.size, part.kind) for part in found.parts] == [
        (20_000_000, "layer"),
        (10_000_000, "layer"),
        (2_000_000, "layer"),
    ]
    (numpy,) = found.parts[1].parts
    assert (numpy.kind, numpy.size, numpy.files) == ("package", 30_000_000, 2)
    assert numpy.parts[0].name == "lib/core.so", "a folder that holds most is looked into at once"
    assert all(len(part.at) in (10, 15, 20) for part in below(found)[1:])


def test_a_layer_of_others_shows_its_folders() -> None:
    first = facts(foreign()).picture.parts[0]
    assert [part.name for part in first.parts][:2] == ["usr/lib/big", "var/lib/apt/lists/debian"]
    assert first.files == 6


def test_names_are_spelled_out() -> None:
    found = told()
    assert EVIL not in {one.id for one in found.packages}
    assert EVIL.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b") in {one.id for one in found.packages}


def test_a_large_image_is_told_in_short() -> None:
    """The parts of the picture are few, and together as large as the whole image."""
    chance = random.Random(1)
    files = [
        file(f"/{chance.choice('abc')}/{chance.choice('defgh')}/{number}", chance.randrange(1, 100_000))
        for number in range(20_000)
    ]
    found = facts(image("large", {layer("all", 10): files}))
    assert len(data_of(found)) < 600_000
    picture = found.picture
    parts = below(picture)
    assert len(parts) < 1.2 * MOST
    assert all(len(part.parts) <= 60 for part in parts)
    (top,) = picture.parts
    assert sum(part.size for part in top.parts) == sum(one.size for one in files)
    assert sum(part.files for part in top.parts) == len(files)


def test_a_picture_is_never_too_deep_to_be_written() -> None:
    """A foreign layer may nest folders as deep as the length of a name allows."""
    deep = [file("".join(f"/{step}" for step in range(depth)) + "/file", 1) for depth in range(1, 1500)]
    found = facts(image("deep", {layer("all", 10): deep}))
    assert data_of(found)
    assert found.picture.parts[0].files == len(deep)


def test_the_same_image_gives_the_same_facts() -> None:
    assert facts(python("new"), python("", "before")) == told()
