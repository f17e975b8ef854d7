"""Rights, and the patterns in them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.oci.patterns import matches
from lamella.server.access.rights import ACTIONS, ADMIN, listed, rights
from lamella.spec.problems import KindError

PART = st.text("ab-.", min_size=1, max_size=4)
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)
PATTERN = st.lists(st.sampled_from(["a", "b", "/", ".", "*"]), max_size=8).map("".join)


def by_hand(pattern: str, text: str) -> bool:
    """Match a pattern with simple, slow code."""
    if not pattern:
        return not text
    for star, forbidden in (("**", ""), ("*", "/")):
        if pattern.startswith(star):
            rest = pattern[len(star) :]
            ends = [i for i in range(len(text) + 1) if not (forbidden and forbidden in text[:i])]
            return any(by_hand(rest, text[i:]) for i in ends)
    return text[:1] == pattern[0] and by_hand(pattern[1:], text[1:])


@given(PATTERN, NAME)
def test_a_pattern_means_what_it_says(pattern: str, name: str) -> None:
    assert matches(pattern, name) == by_hand(pattern, name)


@given(NAME)
def test_a_name_is_a_pattern_of_itself_alone(name: str) -> None:
    assert matches(name, name)
    assert not matches(name, f"{name}x")
    assert not matches(name, f"{name}\n")


@given(NAME)
def test_one_star_stays_in_its_part_and_two_do_not(name: str) -> None:
    assert matches("*", name) == ("/" not in name)
    assert matches("**", name)
    assert matches("team/**", f"team/{name}")
    assert not matches("team/**", f"teams/{name}")


@given(st.text(max_size=6), st.text(max_size=6))
def test_nothing_in_a_pattern_is_special_but_stars(pattern: str, text: str) -> None:
    if "*" not in pattern:
        assert matches(pattern, text) == (pattern == text)


@pytest.mark.parametrize(
    ("right", "action", "name", "may"),
    [
        ("pull", "pull", "any/thing", True),
        ("pull", "push", "any/thing", False),
        ("push:team/*", "push", "team/app", True),
        ("push:team/*", "push", "team/app/deep", False),
        ("push:team/**", "push", "team/app/deep", True),
        ("push:team/**", "push", "team", False),
        ("push:team/*", "pull", "team/app", False),
        ("*:team/*", "delete", "team/app", True),
        ("*:team/*", "delete", "other/app", False),
        ("*", "delete", "other/app", True),
        ("build:shell/**", "build", "shell/git/htop", True),
        ("pull:nix/main", "pull", "nix/main", True),
    ],
)
def test_what_a_right_covers(right: str, action: str, name: str, may: bool) -> None:
    (held,) = rights(listed.read([right]))
    assert held.covers(action, name) is may


def test_who_may_do_all_to_some_names_does_not_rule_the_server() -> None:
    some, all_, admin = rights(["*:team/**", "*", "admin"])
    assert not some.allows(ADMIN)
    assert some.allows("delete")
    assert all_.allows(ADMIN)
    assert admin.allows(ADMIN)
    assert not admin.allows("pull")


WRONG = ["", "read", "pul", "Pull", "pull:", "pull:A", "pull:a b", "pull:***", "pull:a\n", "pull,push", "admin:a", ":a"]


@pytest.mark.parametrize("right", WRONG)
def test_what_is_no_right_is_refused(right: str) -> None:
    with pytest.raises(KindError):
        listed.read([right])
    assert not re.search(listed.schema["items"]["pattern"], right) or "\n" in right


@pytest.mark.parametrize("right", [*ACTIONS, "*", "*:a/**", "pull:**/base", "build:shell/*"])
def test_editors_know_the_same_rights(right: str) -> None:
    assert listed.read([right]) == (right,)
    assert re.search(listed.schema["items"]["pattern"], right)
