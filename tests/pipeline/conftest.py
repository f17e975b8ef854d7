from pathlib import Path

import pytest

from lamella.pipeline.workplace import Workplace, workplace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three folders, `one`, `two` and `three`, each with a file."""
    for name in ("one", "two", "three"):
        (tmp_path / "src" / name).mkdir(parents=True)
        (tmp_path / "src" / name / "file").write_text(name * 100)
    return tmp_path / "src"


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return workplace(tmp_path / "cache")
