"""Orders that nix2container gives, worked out by hand from its rules."""

from tests.layering.graphs import graph, names

from lamella.layering import NOTHING, Budget
from lamella.layering.popularity import count_walks, popularity


def test_every_walk_counts() -> None:
    diamond = graph({"app": "left right libc", "left": "libc", "right": "libc", "libc": ""})
    # To libc: from itself, left (2 ways: left, app-left), right (2 ways), and app directly.
    assert count_walks(diamond) == {"app": 1, "left": 2, "right": 2, "libc": 6}


def test_ties_go_to_what_is_met_last() -> None:
    # Numbers in the order met: app 0, left 1, right 2, libc 3; left and right tie, and right has the higher number.
    diamond = graph({"app": "left right libc", "libc": "", "right": "libc", "left": "libc"})
    assert names(popularity(diamond, Budget(9), NOTHING)) == ["libc", "right", "left", "app"]


def test_reading_a_path_before_what_it_refers_to_numbers_it() -> None:
    # All three tie with one walk each; b is met first, then c, then a.
    alone = graph({"b": "", "c": "", "a": ""})
    assert names(popularity(alone, Budget(9), NOTHING)) == ["a", "c", "b"]


def test_self_references_and_repeated_references_count_once() -> None:
    looped = graph({"app": "app libc libc", "libc": "libc"})
    assert count_walks(looped) == {"app": 1, "libc": 2}


def test_the_rest_shares_the_last_layer() -> None:
    chain = graph({"a": "b", "b": "c", "c": "d", "d": ""})
    assert names(popularity(chain, Budget(3), NOTHING)) == ["d", "c", "b a"]
    assert names(popularity(chain, Budget(4), NOTHING)) == ["d", "c", "b", "a"]
    assert names(popularity(chain, Budget(1), NOTHING)) == ["d c b a"]


def test_a_cycle_is_cut() -> None:
    assert count_walks(graph({"a": "b", "b": "c", "c": "a"})) == {"a": 1, "b": 2, "c": 3}


def test_numbers_beyond_floating_point_are_compared_exactly() -> None:
    ladder = {f"n{step}": f"n{step + 1} n{step + 2}" for step in range(4000)} | {"n4000": "n4001", "n4001": ""}
    walks = count_walks(graph(ladder))
    assert walks["n4000"] > 10**800
    assert walks["n4001"] == 1 + walks["n4000"] + walks["n3999"]
