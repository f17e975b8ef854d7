"""A base in a registry is pinned by the lock: a tag may move, and a spec may name a different base."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import good, run
from tests.registry.fake import Fake, serving


@pytest.fixture
def registry() -> Iterator[Fake]:
    with serving(Fake()) as found:
        yield found


@pytest.fixture
def work(tmp_path: Path, registry: Fake) -> Path:
    for name in ("base", "work"):
        (tmp_path / name).mkdir()
    push(tmp_path, registry, "one", "v1")
    folder = tmp_path / "work"
    (folder / "file").write_text("ours")
    spec(folder, registry, "v1")
    return folder


def push(top: Path, registry: Fake, text: str, tag: str) -> None:
    (top / "base" / "lower").write_text(text)
    (top / "base" / "lamella.toml").write_text('name = "base"\nfiles = ["lower"]\n')
    good(top / "base", "push", ".", f"{registry.name}/team/base:{tag}")


def spec(folder: Path, registry: Fake, tag: str) -> None:
    base = f"docker://{registry.name}/team/base:{tag}"
    (folder / "lamella.toml").write_text(f'name = "top"\nbase = "{base}"\nfiles = ["file"]\n')


def lowest(folder: Path) -> str:
    """The digest of the layer of the base that the image is built on."""
    good(folder, "build", "-q")
    layers = json.loads((folder / "image.json").read_text())["layers"]
    assert len(layers) == 2
    return str(layers[0]["digest"])


def test_a_tag_that_moves_is_followed_when_the_base_is_upgraded(work: Path, registry: Fake) -> None:
    good(work, "lock")
    assert registry.name not in (work / "lamella.lock").read_text()
    first = lowest(work)
    push(work.parent, registry, "two", "v1")
    good(work, "lock")
    assert lowest(work) == first
    assert "~ base" in good(work, "lock", "--upgrade", "base")
    assert lowest(work) != first


def test_another_base_is_not_taken_for_the_one_that_was_locked(work: Path, registry: Fake) -> None:
    good(work, "lock")
    first = lowest(work)
    push(work.parent, registry, "two", "v2")
    spec(work, registry, "v2")
    for command in (["build"], ["lock", "--check"]):
        ran = run(work, *command)
        assert (ran.returncode, ran.stderr.count("\n")) == (3, 1)
        assert "the base has changed since the spec was locked" in ran.stderr
    assert "~ base" in good(work, "lock")
    assert lowest(work) != first
