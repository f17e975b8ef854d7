import pytest

from lamella.cache.narinfos import Leads, leads, nar_of, narinfo_item

HASH = "0123456789abcdfghijklmnpqrsvwxyz" * 2
FILE = f"nar/{HASH[:52]}.nar"


def test_where_a_narinfo_leads() -> None:
    own, other, third = "a" * 32, "b" * 32, "c" * 32
    text = (
        f"StorePath: /nix/store/{own}-x\nURL: {FILE}.xz\nNarSize: 7\n"
        f"References: {third}-z {own}-x {other}-y-1.0 {third}-z-dev\nSig: a:b\n"
    )
    assert leads(text) == Leads(f"{FILE}.xz", (third, other))


def test_a_path_that_refers_to_nothing() -> None:
    assert leads(f"StorePath: /nix/store/{'a' * 32}-x\nURL: {FILE}\nReferences: \n") == Leads(FILE, ())


@pytest.mark.parametrize("nar", [FILE, f"{FILE}.xz", f"{FILE}.zst", f"{FILE}.bz2"])
def test_what_goes_with_a_nar(nar: str) -> None:
    assert [nar_of(f"{nar}{ending}") for ending in ("", ".facts", ".ls")] == [nar] * 3


@pytest.mark.parametrize(
    "item", ["nar/x.nar", f"{FILE}.exe", f"layers/{FILE}", f"{FILE}.facts.ls", f"{FILE[:-5]}e.nar"]
)
def test_what_is_no_nar(item: str) -> None:
    assert nar_of(item) is None


def test_the_item_of_a_cache() -> None:
    assert narinfo_item("main", HASH[:32]) == f"narinfo/main/{HASH[:32]}"
