from pathlib import Path

import pytest
from tests.nars import Cache


@pytest.fixture
def theirs(tmp_path: Path) -> Cache:
    """Who signs and packs what is brought."""
    return Cache(tmp_path / "theirs")
