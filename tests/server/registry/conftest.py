"""A registry over each kind of bucket."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.objects import AWS, objects
from tests.server.registry.asking import Asking
from tests.server.running import open_registry, running

from lamella.cache.bucket import Memory, SharedBucket
from lamella.cache.folder import Folder
from lamella.cache.objects import bucket_at

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with objects("images") as how:
        yield how


@pytest.fixture(params=["memory", "folder", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> SharedBucket:
    made: dict[str, Callable[[], SharedBucket]] = {
        "memory": Memory,
        "folder": lambda: Folder(tmp_path / "bucket"),
        "s3": lambda: bucket_at(f"s3://images/{next(_numbers)}{request.getfixturevalue('s3')}", AWS, tmp_path),
    }
    return made[request.param]()


@pytest.fixture
def host(bucket: SharedBucket) -> Iterator[str]:
    """A registry where anybody may do anything."""
    with running(lambda: open_registry(bucket)) as name:
        yield name


@pytest.fixture
def ask(host: str) -> Iterator[Asking]:
    asking = Asking(host)
    yield asking
    asking.close()
