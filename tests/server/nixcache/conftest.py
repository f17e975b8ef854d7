from pathlib import Path

import pytest
from tests.nars import Cache


@pytest.fixture
def theirs(tmp_path: Path) -> Cache:
    """A cache of another machine, which signs and packs paths."""
    return Cache(tmp_path / "theirs")
