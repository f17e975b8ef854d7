"""Promise 5: whole layers are kept verbatim and in order, what changed is on top, and the budget holds."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layering.graphs import closures, names, package

from lamella.closure import Closure, closure
from lamella.layering import NOTHING, Budget, Churn, Group, Previous, Seen, learn
from lamella.layering.bundle import bundle, joined
from lamella.layering.compact import condense
from lamella.layering.odds import odds
from lamella.layering.steady import steady, whole_layers


def image(*layers: str, churn: Churn | None = None, sizes: Mapping[str, int] | None = None) -> Previous:
    """Layers as the names of their packages, all of version 0."""
    return Previous(tuple(_group(layer.split(), sizes or {}) for layer in layers), churn or Churn())


def after(before: Previous, *changed: str, gone: str = "", new: str = "") -> Closure:
    """The packages of `before` with those `changed` in version 1."""
    packages = [p for layer in before.layers for p in layer if p.name not in gone.split()]
    updated = [package(p.name, p.size, version=1) if p.name in changed else p for p in packages]
    return closure([*updated, *map(package, new.split())], ())


def _group(told: Sequence[str], sizes: Mapping[str, int]) -> Group:
    return tuple(package(name, sizes.get(name, 1)) for name in told)


def test_whole_layers_are_kept_in_order_and_what_changed_is_on_top() -> None:
    before = image("d", "b a", "e", "c")
    groups = steady(after(before, "e"), Budget(9), before)
    assert names(groups) == ["d", "b a", "c", "e"]
    assert tuple(groups[:2]) == before.layers[:2]


def test_whom_a_change_left_moves_too() -> None:
    before = image("a b", "c d", "e")
    assert names(steady(after(before, "c"), Budget(4), before)) == ["a b", "e", "d", "c"]
    assert names(steady(after(before, gone="a", new="x"), Budget(4), before)) == ["c d", "e", "b", "x"]


def test_nothing_changed_nothing_moves() -> None:
    before = image("d", "b a", "e", "c")
    assert steady(after(before), Budget(4), before) == list(before.layers)


def test_layers_merge_when_the_budget_is_reached() -> None:
    sizes = {"big": 1000, "small": 1, "tiny": 1, "new": 1}
    before = image("big", "small", "tiny", sizes=sizes)
    # Something has to give way to `new`; the large layer must not be what moves.
    groups = names(steady(after(before, new="new"), Budget(3), before))
    assert groups[0] == "big"
    assert len(groups) == 3


def test_a_smaller_budget_breaks_what_is_small() -> None:
    sizes = {"a": 100, "b": 90, "c": 2, "d": 1}
    before = image("a", "b", "c", "d", sizes=sizes)
    assert names(steady(after(before), Budget(3), before)) == ["a", "b", "c d"]


def test_busy_packages_come_to_lie_together() -> None:
    seen = {"uv": Seen(19, 20), "app": Seen(18, 20), "libc": Seen(0, 20), "zlib": Seen(0, 20), "cc": Seen(0, 20)}
    sizes = dict.fromkeys(seen, 100)
    before = image("uv libc", "app zlib", "cc", churn=Churn(seen), sizes=sizes)
    assert names(steady(after(before, "uv", "app"), Budget(3), before)) == ["cc", "libc zlib", "app uv"]


def test_families_come_to_lie_together() -> None:
    sizes = {"cuda-blas": 100, "cuda-fft": 100, "torch": 100, "numpy": 100} | {f"p{number}": 1 for number in range(20)}
    groups = names(steady(after(image(*sizes, sizes=sizes)), Budget(4), NOTHING))
    assert "cuda-blas cuda-fft" in groups
    assert {"torch", "numpy"} <= set(groups)


def test_a_family_that_never_changed_at_once_is_none() -> None:
    sizes = {"cuda-blas": 100, "cuda-fft": 100, "torch": 100, "numpy": 100} | {f"p{number}": 1 for number in range(20)}
    apart = Churn(
        {"cuda-blas": Seen(10, 40), "cuda-fft": Seen(10, 40), "torch": Seen(0, 40), "numpy": Seen(0, 40)},
        {"cuda": Seen(20, 40)},
    )
    before = image(
        "cuda-blas cuda-fft", "torch numpy", " ".join(n for n in sizes if n[0] == "p"), churn=apart, sizes=sizes
    )
    groups = names(steady(after(before, "cuda-fft", "torch"), Budget(4), before))
    assert "cuda-blas cuda-fft" not in groups


def test_a_layer_keeps_under_the_bytes() -> None:
    sizes = {"a": 60, "b": 50, "c": 40, "d": 30, "e": 500}
    groups = steady(after(image("a b c d e", sizes=sizes)), Budget(12, 100), NOTHING)
    assert all(len(group) == 1 or sum(p.size for p in group) <= 100 for group in groups)


def test_a_package_that_will_be_cut_counts_as_its_pieces() -> None:
    sizes = {"large": 500, **{f"p{number}": 10 for number in range(9)}}
    groups = steady(after(image(" ".join(sizes), sizes=sizes)), Budget(7, 100), NOTHING)
    assert len(groups) == 3  # large becomes five layers
    assert ["large"] in [[p.name for p in group] for group in groups]


def test_a_package_that_was_cut_is_kept_once() -> None:
    before = image("large", "large", "a", "large", sizes={"large": 500})
    assert names(whole_layers(after(image("large", "a", sizes={"large": 500})), before)) == ["large", "a"]


def test_equal_contents_under_two_ids_are_two_packages() -> None:
    one = package("one")
    twin = Closure((one, type(one)("two", "two", one.content, one.size)), ())
    assert names(whole_layers(twin, Previous(((one,), (one,), (one,))))) == ["one", "two"]


@given(closure=closures(), layers=st.integers(1, 12), seed=st.sets(st.integers(0, 24)))
def test_with_room_whatever_is_whole_is_kept(closure: Closure, layers: int, seed: set[int]) -> None:
    first = Previous(tuple(steady(closure, Budget(layers), NOTHING)))
    changed = [package(p.name, p.size, version=1) if number in seed else p for number, p in enumerate(closure.packages)]
    now = Closure(tuple(changed), ())
    groups = steady(now, Budget(layers + len(changed)), Previous(first.layers, learn(first, now)))
    contents = {p.content for p in changed}
    whole = [group for group in first.layers if all(p.content in contents for p in group)]
    assert names(groups)[: len(whole)] == names(whole)


@given(closure=closures(), most=st.integers(1, 30))
def test_condensing_loses_nothing(closure: Closure, most: int) -> None:
    expected = odds(Churn(), [p.name for p in closure.packages])
    bundles = [bundle((p,), expected) for p in closure.packages]
    condensed = condense(bundles, most, 0)
    assert len(condensed) == min(most, len(bundles))
    assert sorted(p.id for one in condensed for p in one.packages) == sorted(closure.by_id)


@given(parts=st.lists(st.sampled_from(["a", "x-1", "x-2", "x-3", "y-1", "y-2"]), min_size=2, unique=True), at=st.data())
def test_chances_do_not_depend_on_how_a_bundle_came_to_be(parts: list[str], at: st.DataObject) -> None:
    expected = odds(
        Churn({"x-1": Seen(3, 9), "y-2": Seen(8, 9)}, {"x": Seen(3, 9)}), ["a", "x-1", "x-2", "x-3", "y-1", "y-2"]
    )
    cut = at.draw(st.integers(1, len(parts) - 1))
    packages = [package(name) for name in parts]
    once = bundle(packages, expected)
    twice = joined(bundle(packages[:cut], expected), bundle(packages[cut:], expected))
    assert twice.calm == pytest.approx(once.calm)
    assert twice.size == once.size
    assert twice.cost >= max(part.cost for part in (bundle(packages[:cut], expected), bundle(packages[cut:], expected)))
