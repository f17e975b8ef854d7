import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lamella.destinations.daemons import Daemons
from lamella.pipeline.outside import Outside
from lamella.pipeline.workplace import workplace
from lamella.registry.registries import Registries
from lamella.server.demand.workshop import Workshop
from lamella.transport.connections import Settings
from lamella.transport.downloads import Downloads
from lamella.transport.fetch import Fetcher


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop with its own cache, which can reach archives and indexes."""
    with open_workshop(tmp_path / "cache") as found:
        yield found


@contextlib.contextmanager
def open_workshop(folder: Path) -> Iterator[Workshop]:
    place = workplace(folder)
    downloads = Downloads(folder, lambda: Fetcher(Settings()))
    with contextlib.closing(Outside(Registries({}), Daemons({}), place.blobs, downloads)) as outside:
        yield Workshop(replace(place, outside=outside))
