from pathlib import Path

import pytest


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that nix2container's own paths are relative to."""
    (tmp_path / "data" / "tar-directory").mkdir(parents=True)
    (tmp_path / "data" / "layer1").mkdir()
    (tmp_path / "data" / "tar-directory" / "file1").write_text("content file1")
    (tmp_path / "data" / "tar-directory" / "symlink").symlink_to("file1")
    (tmp_path / "data" / "layer1" / "file1").touch()
    for path in (tmp_path / "data").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"
