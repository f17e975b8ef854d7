"""What store paths look like from the root of an image."""

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
