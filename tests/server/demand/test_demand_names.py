"""What image names mean: Nixery's grammar, prefixes of sources, and keys."""

import contextlib
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.oci.platforms import here, spelled
from lamella.server.demand.errors import UnknownError, WrongNameError, WrongTagError
from lamella.server.demand.names import Pin, Request, parse
from lamella.server.demand.settings import BuildLimits, ServedPython, Source
from lamella.spec.debian import Debian

NIX = Source(name="nix", kind="nix", origin="nixos-24.11")
DEB = Source(name="deb", kind="deb")
PYPI = Source(name="py3.12", kind="pypi", python=ServedPython(version="3.12"))
IMAGES = Source(name="images", kind="specs", origin="/srv/images")
SOURCES = [NIX, DEB, PYPI, IMAGES]
PIN = Pin("x", moving=False)
OWN = (spelled(here()),)
BOTH = ("linux/amd64", "linux/arm64")


def asked(name: str, tag: str = "latest", limits: BuildLimits = BuildLimits()) -> Request:  # noqa: B008
    return parse(name, tag, SOURCES, limits)


@pytest.mark.parametrize(
    ("name", "source", "packages", "platforms", "shell"),
    [
        ("git", NIX, ("git",), OWN, False),
        ("shell", NIX, (), OWN, True),
        ("shell/git/htop", NIX, ("git", "htop"), OWN, True),
        ("arm64/shell/git", NIX, ("git",), ("linux/arm64",), True),
        ("shell/arm64/git/git", NIX, ("git",), ("linux/arm64",), True),
        ("amd64/arm64/git", NIX, ("git",), BOTH, False),
        ("git/shell/arm64", NIX, ("arm64", "git", "shell"), OWN, False),
        ("python3.pkgs.numpy/7zz", NIX, ("7zz", "python3.pkgs.numpy"), OWN, False),
        ("deb/curl/bash", DEB, ("bash", "curl"), BOTH, False),
        ("deb/arm64/shell/curl", DEB, ("curl",), ("linux/arm64",), True),
        ("py3.12/num_py/num-py/six", PYPI, ("num-py", "six"), BOTH, False),
        ("images/team/b/a", IMAGES, ("team", "b", "a"), (), False),
        ("images/shell", IMAGES, ("shell",), (), False),
        ("nix/deb/nix", NIX, ("deb", "nix"), OWN, False),
        ("deb", NIX, ("deb",), OWN, False),
        ("bash/deb", NIX, ("bash", "deb"), OWN, False),
    ],
)
def test_what_names_mean(
    name: str, source: Source, packages: tuple[str, ...], platforms: tuple[str, ...], shell: bool
) -> None:
    request = asked(name, "v1")
    assert (request.source, request.packages, request.platforms) == (source, packages, platforms)
    assert (request.shell, request.tag) == (shell, "v1")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a//b",
        "/a",
        "a/",
        "..",
        "a/../b",
        ".",
        "A",
        "a b",
        "a\0",
        "a\n",
        "-a",
        "a-",
        "_a",
        "é",
        "a/%2e",
        "a" * 256,
    ],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(WrongNameError) as caught:
        asked(name)
    assert caught.value.code == "NAME_INVALID"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("tag", ["", "-x", "--upload-pack=x", ".x", "a/b", "a b", "x\n", "x" * 129, "é"])
def test_what_is_no_tag(tag: str) -> None:
    with pytest.raises(WrongTagError) as caught:
        asked("git", tag)
    assert caught.value.code == "TAG_INVALID"


@pytest.mark.parametrize("name", ["arm64", "amd64/arm64", "deb/arm64"])
def test_names_of_no_package(name: str) -> None:
    with pytest.raises(UnknownError, match="names no package"):
        asked(name)


def test_without_sources_there_is_nothing() -> None:
    with pytest.raises(UnknownError) as caught:
        parse("git", "latest", [], BuildLimits())
    assert caught.value.code == "MANIFEST_UNKNOWN"


def test_there_is_a_limit_to_packages() -> None:
    limits = BuildLimits(packages=2)
    assert asked("shell/a/b/a", limits=limits).packages == ("a", "b")
    with pytest.raises(WrongNameError, match="the name has 3 packages; the limit is 2"):
        asked("a/b/c", limits=limits)


def test_a_source_may_be_for_some_platforms_only() -> None:
    one = Source(name="deb", kind="deb", platforms=["linux/amd64"])
    assert parse("bash", "latest", [one], BuildLimits()).platforms == ("linux/amd64",)
    with pytest.raises(UnknownError, match="no images for linux/arm64"):
        parse("arm64/bash", "latest", [one], BuildLimits())


PACKAGES = st.lists(st.from_regex(r"[a-z0-9]{1,9}([._-][a-z0-9]{1,5})?", fullmatch=True), min_size=1, max_size=8)
BEFORE = st.sampled_from(["", "shell/", "arm64/", "shell/arm64/", "deb/", "deb/shell/", "py3.12/"])


@given(PACKAGES, BEFORE, st.randoms())
def test_the_order_of_packages_says_nothing(packages: list[str], before: str, luck: random.Random) -> None:
    shuffled = [*packages, *luck.sample(packages, k=len(packages) // 2)]
    luck.shuffle(shuffled)
    start = f"{before or 'nix/'}zz/"  # so that no package is a word with another meaning
    one, other = asked(f"{start}{'/'.join(packages)}"), asked(f"{start}{'/'.join(shuffled)}")
    assert one == other
    assert one.key(PIN) == other.key(PIN)


@given(st.text(max_size=300), st.text(max_size=140))
def test_any_text_is_a_request_or_an_error_that_a_registry_has_a_word_for(name: str, tag: str) -> None:
    with contextlib.suppress(WrongNameError, WrongTagError, UnknownError):
        assert not {".", "..", ""} & set(asked(name, tag).packages)


def test_keys_differ_where_images_may() -> None:
    request = asked("deb/shell/bash")
    others = [
        asked("deb/bash"),
        asked("deb/shell/curl"),
        asked("deb/arm64/shell/bash"),
        asked("shell/bash"),
        asked("py3.12/shell/bash"),
        replace(request, layers=10),
        replace(request, source=Source(name="deb", kind="deb", debian=Debian(archives=["http://x/y z main"]))),
    ]
    keys = {one.key(PIN) for one in [request, *others]} | {request.key(Pin("y", moving=False))}
    assert len(keys) == len(others) + 2
    assert replace(request, tag="another").key(PIN) == request.key(PIN)
    assert all(len(key) == 64 for key in keys)


def test_long_names_become_names_that_an_image_may_have() -> None:
    request = asked("/".join(["a" * 9] * 20 + ["b" * 50]))
    assert len(request.short_name) <= 255
