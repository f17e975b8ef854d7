"""The content of a folder is the same wherever it lies, and follows whatever its layer would hold."""

import errno
import os
from pathlib import Path
from typing import TypeVar, cast

import pytest

from lamella.closure import closure
from lamella.sources import files
from lamella.sources.files import look_at, package
from lamella.sources.tree import SourceError

T = TypeVar("T")


class Memory:
    """Remembers everything."""

    def __init__(self) -> None:
        self.known: dict[str, object] = {}

    def read(self, name: str, kind: type[T]) -> T | None:
        return cast("T | None", self.known.get(name))

    def write(self, name: str, value: object) -> None:
        self.known[name] = value


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file").write_text("text")
    (root / "link").symlink_to("sub")
    return root


def content(tree: Path, at: str = "/app") -> str:
    return look_at(tree, at, "left-out", Memory()).content


def test_the_size_of_a_folder_itself_means_nothing(tree: Path) -> None:
    before, size = content(tree), (tree / "sub").stat().st_size
    for number in range(500):
        (tree / "sub" / f"left-out-{number}").touch()
    assert (tree / "sub").stat().st_size > size
    assert content(tree) == before
    (tree / "sub" / "file").write_text("texts")
    assert content(tree) != before


def test_the_mode_of_a_folder_counts_unless_it_is_the_root_of_the_image(tree: Path) -> None:
    tree.chmod(0o755)
    below, root = content(tree), content(tree, "/")
    tree.chmod(0o700)
    assert content(tree) != below
    assert content(tree, "/") == root
    (tree / "sub").chmod(0o700)
    assert content(tree, "/") != root


def test_a_folder_may_be_in_an_image_with_different_files_left_out(tree: Path) -> None:
    packages = [package("tree", tree, "/app", ignore, Memory()) for ignore in ("", "file", "link")]
    assert len(closure(packages, ()).packages) == 3
    assert packages[0].id == "tree -> /app"
    assert {one.name for one in packages} == {"tree -> /app"}


@pytest.mark.parametrize(("module", "name", "file"), [(files, "open", "sub/file"), (os, "readlink", "link")])
def test_a_file_that_cannot_be_read_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str, file: str
) -> None:
    def refuse(path: bytes, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(module, name, refuse, raising=False)
    with pytest.raises(SourceError) as raised:
        content(tree)
    assert str(raised.value) == f"cannot read {tree / file}: Permission denied"
