"""A registry over each kind of bucket."""

from collections.abc import Iterator

import pytest
from tests.server.registry.asking import Asking
from tests.server.running import open_registry, running

from lamella.cache.bucket import SharedBucket


@pytest.fixture
def host(bucket: SharedBucket) -> Iterator[str]:
    """A registry where every client may do anything."""
    with running(lambda: open_registry(bucket)) as name:
        yield name


@pytest.fixture
def ask(host: str) -> Iterator[Asking]:
    asking = Asking(host)
    yield asking
    asking.close()
