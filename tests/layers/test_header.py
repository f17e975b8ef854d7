"""Headers are those of Go's `archive/tar`, in every special case and in random ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layers.go import GOLDEN, Program, header_by
from tests.layers.golden.cases import CASES, shortened

from lamella.layers import tar
from lamella.layers.header import HeaderError, header
from lamella.package import Entry, Kind, Owner

WRITTEN_BY_GO = json.loads((GOLDEN / "headers.json").read_text())


def test_goldens_are_there_for_all_cases() -> None:
    assert list(WRITTEN_BY_GO) == list(CASES)


@pytest.mark.parametrize("case", CASES)
def test_header_is_the_one_go_wrote(case: str) -> None:
    assert shortened(header(CASES[case])) == WRITTEN_BY_GO[case]


@pytest.mark.parametrize("case", CASES)
def test_goldens_are_what_this_go_writes(case: str, go_headers: Program) -> None:
    assert shortened(header_by(go_headers, CASES[case])) == WRITTEN_BY_GO[case]


PARTS = st.one_of(
    st.sampled_from([b"a", b"..", b"lib", b"x" * 50, b"y" * 99, b"z" * 155, "é".encode(), b"\xff", b" \n"]),
    st.binary(min_size=1, max_size=255).map(lambda part: part.translate(None, b"\0/") or b"e"),
)
PATHS = st.builds(
    lambda root, parts: root + b"/".join(parts), st.sampled_from([b"", b"/"]), st.lists(PARTS, min_size=1, max_size=12)
)
IDS = st.one_of(st.integers(0, 1 << 32), st.sampled_from([0, 2097151, 2097152]))
NAMES = st.one_of(st.just("root"), st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40))
OWNERS = st.one_of(st.just(Owner()), st.builds(Owner, IDS, IDS, NAMES, NAMES))
MODES = st.integers(0, 0o7777)
SIZES = st.one_of(st.integers(0, 1 << 40), st.sampled_from([0, 1, (8 << 30) - 1, 8 << 30]))
ENTRIES = st.one_of(
    st.builds(
        lambda path, mode, size, owner: Entry(path, Kind.FILE, mode, size, owner=owner), PATHS, MODES, SIZES, OWNERS
    ),
    st.builds(lambda path, mode, owner: Entry(path, Kind.DIRECTORY, mode, owner=owner), PATHS, MODES, OWNERS),
    st.builds(lambda path, to, owner: Entry(path, Kind.SYMLINK, 0o777, 0, to, owner=owner), PATHS, PATHS, OWNERS),
)


@given(ENTRIES)
def test_any_header_is_the_one_go_writes(go_headers: Program, entry: Entry) -> None:
    assert shortened(header(entry)) == shortened(header_by(go_headers, entry))


@given(ENTRIES)
def test_headers_are_whole_blocks_and_sum_up(entry: Entry) -> None:
    written = header(entry)
    assert len(written) % 512 == 0
    last = written[-512:]
    assert int(last[148:154], 8) == sum(last) - sum(last[148:156]) + 8 * ord(" ")
    assert tar.cost(entry) == len(written) + -(-entry.size // 512) * 512


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"/a\0b", Kind.FILE, 0o644),
        Entry(b"/a", Kind.SYMLINK, 0o777, 0, b"\0"),
        Entry(b"/a", Kind.FILE, 0o644, owner=Owner(0, 0, "ro\0ot", "root")),
        Entry(b"/a", Kind.FILE, 0o644, owner=Owner(-1, 0)),
        Entry(b"/a", Kind.FILE, 0o10000000),
        Entry(b"/a", Kind.FILE, -1),
    ],
)
def test_what_no_archive_can_tell_is_refused(entry: Entry) -> None:
    with pytest.raises(HeaderError):
        header(entry)
