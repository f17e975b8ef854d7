from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.nars import Cache
from tests.objects import AWS, objects

from lamella.cache.bucket import Memory, SharedBucket
from lamella.cache.folder import Folder
from lamella.cache.objects import bucket_at


@pytest.fixture(scope="package")
def s3() -> Iterator[str]:
    with objects("nixcache") as how:
        yield how


@pytest.fixture(params=["folder", "memory", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> SharedBucket:
    made: dict[str, Callable[[], SharedBucket]] = {
        "folder": lambda: Folder(tmp_path / "bucket"),
        "memory": Memory,
        "s3": lambda: bucket_at(f"s3://nixcache{tmp_path}{request.getfixturevalue('s3')}", AWS, tmp_path),
    }
    return made[request.param]()


@pytest.fixture
def theirs(tmp_path: Path) -> Cache:
    """Who signs and packs what is brought."""
    return Cache(tmp_path / "theirs")
