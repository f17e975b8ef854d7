"""Nixery's grouping, worked out by hand and compared with another computation of dominators."""

import networkx
from hypothesis import given
from hypothesis import strategies as st
from tests.layering.graphs import graph, names

from lamella.layering import NOTHING, Budget
from lamella.layering.dominators import LARGE, POPULAR, dominators
from lamella.layering.domtree import immediate_dominators

ADJACENCY = st.integers(1, 30).flatmap(
    lambda number: st.lists(st.lists(st.integers(0, number - 1), max_size=4), min_size=number, max_size=number)
)


@given(ADJACENCY)
def test_the_tree_is_the_one_that_networkx_finds(successors: list[list[int]]) -> None:
    foreign = networkx.DiGraph()
    foreign.add_nodes_from(range(len(successors)))
    foreign.add_edges_from((node, other) for node, others in enumerate(successors) for other in others)
    expected = {node: above for node, above in networkx.immediate_dominators(foreign, 0).items() if node}
    found = immediate_dominators(successors)
    assert {node: above for node, above in found.items() if node} == expected
    position = {node: place for place, node in enumerate(found)}
    assert all(position[above] < position[node] for node, above in found.items() if node)


def test_what_only_one_needs_stays_with_it() -> None:
    closure = graph({"app": "numpy libc", "numpy": "blas libc", "blas": "", "tool": "libc", "libc": ""}, "app tool")
    # libc is below the root, as app and tool both lead to it; three refer to it, so it comes first. app and tool tie.
    assert names(dominators(closure, Budget(9), NOTHING)) == ["libc", "app blas numpy", "tool"]


def test_layers_are_rated_by_popularity_times_size() -> None:
    closure = graph({"a": "b c", "d": "b", "b": "", "c": ""}, "a d c", {"a": 3, "b": 2, "c": 7, "d": 5})
    # b: 2 referrers x 2; c: 1 x 7; a and d count as 1: 3 and 5.
    assert names(dominators(closure, Budget(9), NOTHING)) == ["c", "d", "b", "a"]


def test_what_is_large_or_popular_has_a_layer_of_its_own() -> None:
    large = graph({"app": "model", "model": "index", "index": ""}, "app", {"model": LARGE + 1})
    assert names(dominators(large, Budget(9), NOTHING)) == ["index model", "app"]
    small = graph({"app": "model", "model": "index", "index": ""}, "app", {"model": LARGE})
    assert names(dominators(small, Budget(9), NOTHING)) == ["app index model"]
    tools = {f"t{number:03}": "libc" for number in range(POPULAR + 1)}
    popular = graph({"app": " ".join(tools), **tools, "libc": ""}, "app")
    assert names(dominators(popular, Budget(9), NOTHING)) == ["libc", " ".join(["app", *tools])]


def test_the_lowest_merge_over_the_budget() -> None:
    closure = graph({"a": "", "b": "", "c": "", "d": ""}, "a b c d", {"a": 4, "b": 3, "c": 2, "d": 1})
    assert names(dominators(closure, Budget(2), NOTHING)) == ["a", "b c d"]


def test_packages_that_no_root_leads_to_are_there() -> None:
    closure = graph({"root": "", "app": "lib", "lib": "", "x": "y", "y": "x"}, "root")
    assert names(dominators(closure, Budget(9), NOTHING)) == ["app lib", "root", "x y"]
