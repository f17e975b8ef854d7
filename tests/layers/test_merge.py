"""Many streams become one tree: in order, complete, and read no further than needed."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layers.trees import Tree, entries, trees

from lamella.layers.tree import ConflictError, merge, parent
from lamella.package import Entry, Kind, Owner, order


def folder(path: bytes, mode: int = 0o755) -> Entry:
    return Entry(path, Kind.DIRECTORY, mode)


def file(path: bytes, size: int = 0, mode: int = 0o644) -> Entry:
    return Entry(path, Kind.FILE, mode, size)


def merged(*streams: list[Entry]) -> list[bytes]:
    return [entry.path for entry in merge([iter(stream) for stream in streams])]


def test_missing_folders_are_made_for_absolute_paths() -> None:
    found = list(merge([iter([file(b"/nix/store/a")])]))
    assert found == [folder(b"/"), folder(b"/nix"), folder(b"/nix/store"), file(b"/nix/store/a")]


def test_missing_folders_are_made_for_relative_paths() -> None:
    assert merged([file(b"../data/file")]) == [b"..", b"../data", b"../data/file"]
    assert merged([file(b"file")]) == [b"file"]


def test_the_order_compares_part_by_part() -> None:
    assert merged([file(b"/a.b")], [folder(b"/a"), file(b"/a/c")], [file(b"/a b")]) == [
        b"/",
        b"/a",
        b"/a/c",
        b"/a b",
        b"/a.b",
    ]


def test_a_folder_is_not_taken_for_one_whose_name_it_starts_with() -> None:
    assert merged([folder(b"/a")], [file(b"/ab/c")]) == [b"/", b"/a", b"/ab", b"/ab/c"]
    assert merged([file(b"/a")], [file(b"/ab/c")]) == [b"/", b"/a", b"/ab", b"/ab/c"]


def test_folders_keep_the_mode_that_some_stream_gives_them() -> None:
    found = list(merge([iter([file(b"/etc/hosts")]), iter([folder(b"/", 0o700), folder(b"/etc", 0o711)])]))
    assert found == [folder(b"/", 0o700), folder(b"/etc", 0o711), file(b"/etc/hosts")]


def test_nothing_at_all_is_nothing() -> None:
    assert merged() == []
    assert merged([], []) == []


def holding(data: bytes) -> Entry:
    return file(b"/a", len(data))._replace(content=lambda: io.BytesIO(data))


def test_the_later_of_two_equal_files_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    one = file(b"/a", 3)._replace(content=os.fsencode(tmp_path / "a"))
    two = holding(b"one")
    assert list(merge([iter([one]), iter([two])]))[1:] == [two]
    assert list(merge([iter([two]), iter([one])]))[1:] == [one]
    assert list(merge([iter([one]), iter([one])]))[1:] == [one]


def test_files_of_one_size_with_other_bytes_are_refused() -> None:
    with pytest.raises(ConflictError, match=r"/a is in package 1 .* and in package 2 \(other bytes\)"):
        list(merge([iter([holding(b"one")]), iter([holding(b"two")])]))


def test_files_that_cannot_be_compared_are_named() -> None:
    gone = file(b"/a", 3)._replace(content=b"/does/not/exist")
    with pytest.raises(ConflictError, match="cannot compare the files for /a: No such file"):
        list(merge([iter([holding(b"one")]), iter([gone])]))


@pytest.mark.parametrize(
    "other",
    [
        file(b"/x/a", 4),
        file(b"/x/a", 3, 0o755),
        folder(b"/x/a", 0o644),
        Entry(b"/x/a", Kind.SYMLINK, 0o644),
        file(b"/x/a", 3)._replace(owner=Owner(5, 5)),
    ],
)
def test_two_different_files_at_one_place_are_refused(other: Entry) -> None:
    with pytest.raises(ConflictError, match=r"/x/a is in first .* and in second "):
        list(merge([iter([folder(b"/x"), file(b"/x/a", 3)]), iter([other])], ["first", "second"]))


def test_links_to_different_places_are_refused() -> None:
    links = [Entry(b"/l", Kind.SYMLINK, 0o777, 0, target) for target in (b"a", b"b")]
    with pytest.raises(ConflictError, match=r"a link to a.*a link to b"):
        list(merge([iter([link]) for link in links]))


@pytest.mark.parametrize("below", [b"/a/b", b"/a/b/c/d"])
def test_a_file_that_others_lie_in_is_refused(below: bytes) -> None:
    with pytest.raises(ConflictError, match=f"/a is a file, so {below.decode()} cannot be in it"):
        merged([file(b"/a")], [file(below)])


def test_a_stream_out_of_order_is_refused() -> None:
    with pytest.raises(ConflictError, match="/a comes too late: its source is not in order"):
        merged([file(b"/b"), file(b"/a")])


@given(trees(b"/r"), st.lists(st.integers(0, 5), min_size=30, max_size=30), st.permutations(range(6)))
def test_any_deal_of_a_tree_in_any_order_gives_the_tree_again(tree: Tree, deal: list[int], order: list[int]) -> None:
    whole = list(entries(tree))
    streams = [[entry for i, entry in enumerate(whole) if deal[i % len(deal)] == hand] for hand in order]
    twice = [*streams, [entry for entry in whole if entry.kind is Kind.DIRECTORY]]
    found = list(merge([iter(stream) for stream in twice]))
    assert [entry[:5] for entry in found] == [folder(b"/")[:5]] + [entry[:5] for entry in whole]


@given(st.lists(trees(b""), min_size=1, max_size=4))
def test_the_order_is_that_of_a_walk_and_folders_come_first(given: list[Tree]) -> None:
    streams = [[entry for entry in entries(tree) if entry.path] for tree in given]
    apart = [[entry._replace(path=b"/%d" % i + entry.path) for entry in s] for i, s in enumerate(streams)]
    paths = [entry.path for entry in merge([iter(stream) for stream in apart])]
    assert paths == sorted(paths, key=lambda path: path.rstrip(b"/").split(b"/"))
    assert paths == sorted(set(paths), key=order)
    assert {parent(path) for path in paths} <= {*paths, b""}


def test_no_stream_is_read_ahead_of_its_turn() -> None:
    read: list[int] = []

    def stream(number: int) -> Iterator[Entry]:
        for part in (b"", b"/a", b"/b"):
            read.append(number)
            yield file(b"/%03d" % number + part) if part else folder(b"/%03d" % number)

    found = merge([stream(number) for number in range(300)])
    for _ in range(4):
        next(found)
    assert max(read.count(number) for number in range(1, 300)) == 1
    assert len(list(found)) + 4 == 1 + 300 * 3
