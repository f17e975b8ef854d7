"""What every strategy in the table promises."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layering.graphs import closures, graph, names, package

from lamella.closure import Closure
from lamella.layering import NOTHING, STRATEGIES, Budget, Churn, Group, LayeringError, Previous, Seen, cap, strategy
from lamella.spec import model

Told = str | Sequence[Mapping[str, object]]
NAMES = sorted(STRATEGIES)
STEPS = ({"split": "p1-*"}, {"subtract": ["p2-2", "p3-*"]}, {"size": 5, "of": "p2-2"}, {"steady": 4}, {"limit": 9})


def previously(closure: Closure, seed: int) -> Previous:
    """A previous image, in which some packages were missing, different, or elsewhere."""
    random = Random(seed)
    layers: list[Group] = [()] * random.randint(0, 6)
    for here in closure.packages:
        if layers and random.random() < 0.8:
            layers[random.randrange(len(layers))] += (package(here.name, here.size, version=random.random() < 0.2),)
    seen = {
        here.name: Seen(random.randrange(9), random.randrange(9)) for here in closure.packages if random.random() < 0.8
    }
    return Previous(tuple(layer for layer in layers if layer), Churn(seen, {"p1": Seen(4, 8), "p2": Seen(1, 8)}))


def ids(groups: Sequence[Group]) -> list[list[str]]:
    return [[package.id for package in group] for group in groups]


@pytest.mark.parametrize("name", [*NAMES, STEPS], ids=str)
@given(closure=closures(), layers=st.integers(1, 12), most=st.sampled_from((0, 3, 60)), seed=st.integers(0, 99))
def test_each_package_once_within_the_budget(name: Told, closure: Closure, layers: int, most: int, seed: int) -> None:
    for before in (NOTHING, previously(closure, seed)):
        groups = strategy(name)(closure, Budget(layers, most), before)
        assert sorted(p.id for group in groups for p in group) == sorted(closure.by_id)
        assert all(p is closure.by_id[p.id] for group in groups for p in group)
        assert all(groups)
        assert len(groups) <= layers


@pytest.mark.parametrize("name", [*(n for n in NAMES if n != "popularity"), STEPS], ids=str)
@given(closure=closures(), layers=st.integers(1, 12), seed=st.integers(0, 99))
def test_the_order_of_the_input_does_not_matter(name: Told, closure: Closure, layers: int, seed: int) -> None:
    shuffled = list(closure.packages)
    Random(seed).shuffle(shuffled)
    other = Closure(tuple(shuffled), closure.roots[::-1])
    before = previously(closure, seed)
    run = strategy(name)
    assert ids(run(closure, Budget(layers), before)) == ids(run(other, Budget(layers), before))


SCRIPT = """
import json, sys
from hypothesis import strategies
from lamella.layering import STRATEGIES, Budget
from tests.layering.test_table import previously
from tests.layering.graphs import graph
packages = {f"p-{n}": f"p-{n * 7 % 40} p-{n * 3 % 40}" for n in range(40)}
closure = graph(packages, "p-1 p-2", {"p-3": 9, "p-5": 200_000_000})
run = lambda name: STRATEGIES[name](closure, Budget(7), previously(closure, 3))
print(json.dumps({name: [[p.id for p in group] for group in run(name)] for name in STRATEGIES}))
"""


def test_hash_seeds_do_not_matter() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert json.loads(runs[0])
    assert len(set(runs)) == 1


def test_an_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(LayeringError, match="there is no layering strategy 'popularty'; did you mean popularity"):
        strategy("popularty")
    with pytest.raises(LayeringError, match="there are dominators, popularity, single, size, steady"):
        strategy("zzz")


def test_size_puts_the_largest_first() -> None:
    closure = graph({"a": "", "b": "", "c": "", "d": ""}, sizes={"a": 1, "b": 5, "c": 5, "d": 9})
    assert names(strategy("size")(closure, Budget(3), NOTHING)) == ["d", "b", "c a"]


def test_single_is_one_group() -> None:
    assert names(strategy("single")(graph({"b": "", "a": ""}), Budget(9), NOTHING)) == ["a b"]
    assert strategy("single")(graph({}), Budget(9), NOTHING) == []


def test_cap_cuts_between_packages() -> None:
    group = tuple(package(name, size) for name, size in zip("abcdef", (2, 3, 4, 20, 0, 5), strict=True))
    assert names(cap([group], 5)) == ["a b", "c", "d", "e f"]
    assert cap([group], 0) == [group]


@given(closure=closures(), most=st.integers(1, 60))
def test_cap_holds_whatever_can_be_cut(closure: Closure, most: int) -> None:
    groups = [closure.packages] if closure.packages else []
    capped = cap(groups, most)
    assert tuple(p for group in capped for p in group) == closure.packages
    assert all(len(group) == 1 or sum(p.size for p in group) <= most for group in capped)


def test_a_spec_can_name_every_strategy() -> None:
    assert set(get_args(model.Strategy)) - {""} == set(STRATEGIES)
