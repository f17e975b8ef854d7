"""Layers stay below their limit, and together contain what the packages contain."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layers.trees import Tree, entries, package, trees

from lamella.layers import tar
from lamella.layers.make import make
from lamella.layers.split import SplitError, part_entries, split
from lamella.layers.tree import merge
from lamella.oci.digest import Digest
from lamella.package import Entry, Kind, Package, Permission, Rewrite, Rules
from lamella.plan import LayerPlan, Part, Slice
from lamella.sources.tree import walk


def nothing(given: Package) -> Iterator[Entry]:
    raise AssertionError(f"{given.id} is read")


def ids(layers: list[tuple[Part, ...]]) -> list[list[str]]:
    return [[part.package.id for part in layer] for layer in layers]


def parts(*sizes: int) -> list[Part]:
    return [Part(package(f"{number}", size=size)) for number, size in enumerate(sizes)]


def test_packages_go_where_there_is_room_and_nothing_is_read() -> None:
    assert ids(split(parts(60, 50, 30, 10, 50), 100, nothing)) == [["0", "2", "3"], ["1", "4"]]


def test_without_a_cap_there_is_one_layer() -> None:
    assert ids(split(parts(60, 50), 0, nothing)) == [["0", "1"]]
    assert split([], 0, nothing) == []
    assert split([], 10, nothing) == []


def test_a_package_of_just_the_cap_is_whole() -> None:
    assert split(parts(100), 100, nothing) == [(parts(100)[0],)]


CAP = 24 << 10


@given(trees(b"/nix/store/p", max_leaves=25), st.integers(CAP, 4 * CAP))
def test_slices_keep_under_the_cap_and_together_are_the_package(given: Tree, cap: int) -> None:
    found = {path: node for path, node in given.items() if len(path) + len(node.data) < 2000}
    given = {path: node for path, node in found.items() if all(above in found for above in _above(path))}

    def read(_: Package) -> Iterator[Entry]:
        return entries(given)

    part = Part(package("p", size=cap + 1))
    layers = split([part], cap, read)
    trees = [list(merge([part_entries(piece, read) for piece in layer])) for layer in layers]
    for tree in trees:
        assert tar.size(tree) <= cap
        paths = {entry.path for entry in tree}
        assert all(above in paths for path in paths for above in _above(path) if above.startswith(b"/nix"))
    whole = list(merge([entries(given)]))
    together: dict[bytes, Entry] = {}
    for entry in (entry for tree in trees for entry in tree):
        known = together.setdefault(entry.path, entry)
        assert known[:5] == entry[:5]
    assert [entry[:5] for entry in together.values()] == [entry[:5] for entry in whole]
    files = [entry.path for tree in trees for entry in tree if entry.kind is not Kind.DIRECTORY]
    assert len(files) == len(set(files))


def _above(path: bytes) -> list[bytes]:
    found = path.split(b"/")
    return [b"/".join(found[:count]) for count in range(4, len(found))]


def test_slices_are_as_long_as_the_cap_lets_them_be(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}").write_bytes(bytes(512))

    def read(_: Package) -> Iterator[Entry]:
        return walk(os.fsencode(tmp_path), b"/p")

    frame = 1024 + 2 * 512  # the end, `/` and `/p`
    layers = split([Part(package("p", size=10_000))], frame + 4 * 1024, read)
    assert [part.slice for layer in layers for part in layer] == [Slice(0, 6), Slice(6, 10), Slice(10, 11)]
    assert make(LayerPlan("", layers[1]), read, "none").tar_size == frame + 4 * 1024


def test_slices_come_after_rules_and_bring_folders_with_their_true_modes() -> None:
    def read(_: Package) -> Iterator[Entry]:
        yield Entry(b"/p", Kind.DIRECTORY, 0o755)
        yield Entry(b"/p/d", Kind.DIRECTORY, 0o700)
        for number in range(9):
            yield Entry(b"/p/d/%d" % number, Kind.FILE, 0o644, 512)

    rules = Rules((Rewrite("^/p", "/q"),), (Permission("/d$", or_mode=0o007),), "/3$")
    layers = split([Part(package("p", size=99_999), rules)], 6144, read)
    found = [list(part_entries(part, read)) for layer in layers for part in layer]
    assert len(found) > 2
    folders = [Entry(path, Kind.DIRECTORY, mode) for path, mode in ((b"/", 0o755), (b"/q", 0o755), (b"/q/d", 0o707))]
    assert all(entries[:3] == folders for entries in found)
    assert [entry.path[-1:] for entries in found for entry in entries[3:]] == [b"%d" % n for n in range(9) if n != 3]


def test_a_file_over_the_cap_is_named() -> None:
    def read(_: Package) -> Iterator[Entry]:
        yield Entry(b"/p/huge", Kind.FILE, 0o644, 70_000)

    message = r"/p/huge is 70000 bytes large \(72704 with .*\), and no layer may be larger than 65536"
    with pytest.raises(SplitError, match=message):
        split([Part(package("p", size=70_000))], 65536, read)


def test_what_is_sliced_shares_its_layers_with_nobody() -> None:
    def read(_: Package) -> Iterator[Entry]:
        yield Entry(b"/p", Kind.DIRECTORY, 0o755)
        yield Entry(b"/p/a", Kind.FILE, 0o644, 3000)
        yield Entry(b"/p/b", Kind.FILE, 0o644, 3000)

    layers = split(parts(100, 9000, 100), 6000, read)
    assert ids(layers) == [["0", "2"], ["1"], ["1"]]


def test_rules_apply_to_folders_that_a_wheel_does_not_list() -> None:
    wheel = Package("w", "w", Digest("sha256:0"), 2, at="/lib/site")
    files = [
        Entry(path, Kind.FILE, 0o644, 1, content=os.devnull.encode())
        for path in (b"/lib/site/x/a.py", b"/lib/site/x/tests/b.py")
    ]

    def found(**what: Any) -> list[tuple[bytes, int]]:
        return [(entry.path, entry.mode) for entry in part_entries(Part(wheel, Rules(**what)), lambda _: iter(files))]

    plain = [(entry.path, entry.mode) for entry in files]
    assert found(ignore="/tests$") == plain[:1]
    assert found(ignore="/tests$", rewrites=(Rewrite("^/lib/site", "/app"),)) == [(b"/app/x/a.py", 0o644)]
    assert found(ignore="/t$", rewrites=(Rewrite("tests", "t"),)) == plain[:1]
    assert found(ignore="/lib$|/site$") == plain
    assert found(permissions=(Permission("/(lib|x)$", 0o700),)) == [(b"/lib/site/x", 0o700), *plain]
