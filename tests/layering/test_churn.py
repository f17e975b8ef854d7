"""What is learned from an update, and what is expected of the next one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.layering.graphs import package

from lamella.closure import Closure, closure
from lamella.layering import Churn, Group, Previous, Seen, learn
from lamella.layering.churn import MEMORY, families
from lamella.layering.odds import BOND, CLOSEST, RATE_WEIGHT, USUAL_RATE, odds


def image(churn: Churn | None = None, **versions: int) -> Previous:
    """An image of one layer. `torch_lib=2` is version 2 of a package named torch-lib."""
    return Previous((_packages(versions),), churn or Churn())


def now(**versions: int) -> Closure:
    return closure(_packages(versions), ())


def _packages(versions: dict[str, int]) -> Group:
    return tuple(package(name.replace("_", "-"), version=version) for name, version in versions.items())


def test_same_name_other_content_is_a_change() -> None:
    churn = learn(image(a=1, b=1), now(a=2, b=1))
    assert churn.names == {"a": Seen(1, 1), "b": Seen(0, 1)}


def test_new_names_tell_nothing_and_gone_ones_are_forgotten() -> None:
    told = Churn({"a": Seen(3, 9), "gone": Seen(2, 9)})
    churn = learn(image(told, a=1, gone=1), now(a=1, new=1))
    assert churn.names == {"a": Seen(3, 10)}


def test_the_same_image_again_is_no_step() -> None:
    told = Churn({"a": Seen(3, 9)})
    assert learn(image(told, a=1, b=1), now(a=1, b=1)) == told


def test_the_first_image_teaches_nothing() -> None:
    assert learn(Previous(), now(a=1)) == Churn()


def test_a_family_changes_when_any_member_does() -> None:
    told = Churn({}, {"cuda": Seen(1, 4)})
    churn = learn(image(told, cuda_blas=1, cuda_fft=1, numpy=1), now(cuda_blas=1, cuda_fft=2, numpy=1))
    assert churn.families == {"cuda": Seen(2, 5)}
    assert learn(image(churn, cuda_blas=1, numpy=1), now(cuda_blas=1, numpy=2)).families == {}


def test_a_rebuild_of_the_world_tells_of_no_package() -> None:
    told = Churn({name: Seen(1, 4) for name in "abcde"})
    assert learn(image(told, a=1, b=1, c=1, d=1, e=1), now(a=2, b=2, c=2, d=2, e=1)) == told
    assert learn(image(told, a=1, b=1, c=1, d=1, e=1), now(a=2, b=2, c=2, d=1, e=1)).names["a"] == Seen(2, 5)


def test_two_packages_of_one_name_change_when_either_is_new() -> None:
    old, new, other = package("ssl", version=1), package("ssl", version=3), package("libc")
    both = Closure((old, new, other), ())
    assert learn(Previous(((old, other),)), both).names == {"libc": Seen(0, 1), "ssl": Seen(1, 1)}
    assert learn(Previous(((old, new, other, package("gone")),)), both).names == {"libc": Seen(0, 1), "ssl": Seen(0, 1)}


def test_memory_fades() -> None:
    told = Churn({"a": Seen(MEMORY - 2, MEMORY - 1)})
    assert learn(image(told, a=1, b=1), now(a=2, b=1)).names["a"] == Seen((MEMORY - 1) // 2, MEMORY // 2)


def test_families_share_their_first_word() -> None:
    assert families(["torch", "torch-cuda", "torch.vision", "torchaudio", "lib_a", "lib-b", "alone"]) == {
        "lib": ["lib-b", "lib_a"],
        "torch": ["torch", "torch-cuda", "torch.vision"],
    }


def test_before_anything_was_seen_all_are_alike() -> None:
    expected = odds(Churn(), ["a", "b", "cuda-x", "cuda-y"])
    assert list(expected.calm.values()) == [pytest.approx(1 - USUAL_RATE)] * 4
    assert expected.bond == {"cuda": pytest.approx(BOND / 2)}
    assert expected.family == {"cuda-x": "cuda", "cuda-y": "cuda"}


def test_what_was_seen_counts_more_and_more() -> None:
    calm = odds(Churn({"busy": Seen(40, 40), "new": Seen(), "still": Seen(0, 40)}), ["busy", "new", "still"]).calm
    assert calm["busy"] < 0.2 < calm["new"] < 0.8 < calm["still"]
    usual = (40 + 3) / (80 + 50)
    assert calm["still"] == pytest.approx(1 - usual * RATE_WEIGHT / (40 + RATE_WEIGHT))


def test_a_bond_follows_what_the_family_did() -> None:
    members = {"cuda-x": Seen(10, 20), "cuda-y": Seen(10, 20)}
    others = [f"other{number}" for number in range(98)]

    def bond(joint: int) -> float:
        return odds(Churn(members, {"cuda": Seen(joint, 20)}), [*members, *others]).bond["cuda"]

    assert bond(10) == pytest.approx(min(CLOSEST, (2 * BOND * 0.98 + 5) / (2 + 5)))
    assert bond(15) == pytest.approx(2 * BOND * 0.98 / (2 + 5))
    assert bond(20) == 0


SEEN = st.builds(Seen, st.integers(0, 99), st.integers(0, 99))


@given(st.dictionaries(st.sampled_from(["a", "b-1", "b-2", "c-1", "c-2"]), SEEN), st.dictionaries(st.just("b"), SEEN))
def test_chances_are_chances_whatever_is_told(names: dict[str, Seen], joint: dict[str, Seen]) -> None:
    expected = odds(Churn(names, joint), ["a", "b-1", "b-2", "c-1", "c-2"])
    assert all(0 <= chance <= 1 for chance in [*expected.calm.values(), *expected.bond.values()])
