"""Layerings of several steps: what each does, and the errors for wrong ones."""

import pytest
from tests.layering.graphs import graph, names

from lamella.layering import NOTHING, Budget, LayeringError, strategy

CLOSURE = graph(
    {"app": "numpy torch", "numpy": "python3", "torch": "python3 cuda", "python3": "libc", "cuda": "libc", "libc": ""},
    "app",
    {"torch": 90, "cuda": 80, "libc": 3, "python3": 20, "numpy": 10, "app": 1},
)


def run(*steps: dict[str, object], layers: int = 9) -> list[str]:
    return names(strategy(steps)(CLOSURE, Budget(layers), NOTHING))


def test_split_puts_what_matches_below() -> None:
    assert run({"split": "t*"}) == ["torch", "app cuda libc numpy python3"]
    assert run({"split": ["t*", "cuda"]}) == ["cuda torch", "app libc numpy python3"]
    assert run({"split": "t*"}, {"split": "libc"}) == ["torch", "libc", "app cuda numpy python3"]


def test_subtract_takes_what_it_refers_to_along() -> None:
    assert run({"subtract": "python*"}) == ["libc python3", "app cuda numpy torch"]


def test_group_gathers_from_all_groups() -> None:
    assert run({"size": 9}, {"group": ["libc", "cuda", "app"]}) == ["torch", "cuda libc app", "python3", "numpy"]


def test_strategies_deal_out_the_groups() -> None:
    assert run({"split": "t*"}, {"size": 2}) == ["torch", "cuda", "python3 numpy libc app"]
    assert run({"popularity": 3}) == ["libc", "python3", "cuda torch numpy app"]


def test_of_chooses_groups() -> None:
    assert run({"subtract": "python3"}, {"size": 2, "of": "libc"}) == ["python3", "libc", "app cuda numpy torch"]


def test_limits() -> None:
    assert run({"size": 9}, {"limit": 2}) == ["torch", "cuda python3 numpy libc app"]
    assert run({"size": 9}, layers=2) == ["torch", "cuda python3 numpy libc app"]
    assert run({"bytes": 90}) == ["app cuda libc", "numpy python3", "torch"]


def test_what_matches_nothing_changes_nothing() -> None:
    assert run({"split": "zlib"}, {"subtract": "zlib"}, {"group": "zlib"}, {"size": 3, "of": "zlib"}) == [
        "app cuda libc numpy python3 torch"
    ]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "at least one step"),
        ([{"splitt": "a"}], "layering step 1: there is no step 'splitt'; did you mean split?"),
        ([{"size": 3}, {}], "layering step 2 must have one key besides 'of', not none"),
        ([{"size": 3, "limit": 4}], "must have one key besides 'of', not size, limit"),
        ([{"limit": 0}], "layering step 1, limit must be a whole number of at least 1, not 0"),
        ([{"limit": True}], "must be a whole number"),
        ([{"split": []}], "layering step 1, split must be a shell pattern"),
        ([{"size": 3, "of": 7}], "layering step 1, of must be a shell pattern"),
        ([{"limit": 3, "of": "a"}], "'of' cannot be used with limit"),
    ],
)
def test_what_is_wrong_is_said(steps: list[dict[str, object]], message: str) -> None:
    with pytest.raises(LayeringError, match=message):
        strategy(steps)
