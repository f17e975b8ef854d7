"""The root of an image of store paths."""

import os
from pathlib import Path

import pytest

from lamella.server.demand.links import link


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name in ("one/bin/env", "one/share/doc/one", "one/bin/both", "two/bin/both", "two/share/doc/two", "two/lib/x"):
        path = tmp_path / "store" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "store" / "one" / "lib").symlink_to("share")
    (tmp_path / "store" / "file").write_text("a package that is a file")
    return tmp_path / "store"


def test_files_are_links_and_folders_are_merged(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    link([str(store / name) for name in ("one", "two", "file")], root)
    found = {str(path.relative_to(root)): str(path.readlink()) for path in root.rglob("*") if path.is_symlink()}
    assert found == {
        "bin/env": f"{store}/one/bin/env",
        "bin/both": f"{store}/one/bin/both",
        "share/doc/one": f"{store}/one/share/doc/one",
        "share/doc/two": f"{store}/two/share/doc/two",
        "lib": f"{store}/one/lib",
        "usr/bin/env": "/bin/env",
    }
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_nothing_stands_for_programs_that_are_not_there(store: Path, tmp_path: Path) -> None:
    link([str(store / "two")], tmp_path / "root")
    assert not (tmp_path / "root" / "usr").exists()


def test_what_is_usual_for_new_files_says_nothing(store: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        link([str(store / "one")], tmp_path / "root")
    finally:
        os.umask(before)
    folders = [path for path in (tmp_path / "root").rglob("*") if path.is_dir() and not path.is_symlink()]
    modes = {path.name: path.stat().st_mode & 0o7777 for path in folders}
    assert modes == {"bin": 0o755, "share": 0o755, "doc": 0o755, "usr": 0o755, "tmp": 0o1777}


@pytest.mark.parametrize("name", ["tmp", "usr", "usr/bin"])
def test_nothing_is_changed_through_links_of_packages(store: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (store / "evil" / name).parent.mkdir(parents=True)
    (store / "evil" / name).symlink_to(outside)
    link([str(store / "evil"), str(store / "one")], tmp_path / "root")
    assert (tmp_path / "root" / name).is_symlink()
    assert outside.stat().st_mode & 0o7777 == 0o700
    assert not list(outside.iterdir())
