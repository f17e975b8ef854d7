"""Layers are read out of the NARs of the bucket."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.nars import Cache, store_path
from tests.server.nixcache.house import Sent, served, tree

from lamella.cache.bucket import SharedBucket
from lamella.cache.folder import Folder
from lamella.destinations.daemons import Daemons
from lamella.pipeline.draft import Where
from lamella.pipeline.fetching import fetched, is_here
from lamella.pipeline.outside import Outside
from lamella.pipeline.workplace import Workplace, workplace
from lamella.registry.registries import Registries
from lamella.server.nixcache.cache import cache_of
from lamella.server.nixcache.packages import packages_of
from lamella.server.nixcache.settings import NixCache
from lamella.sources.nix.graph import NixError
from lamella.transport.connections import Settings
from lamella.transport.downloads import Downloads
from lamella.transport.fetch import Fetcher

APP, LIB = store_path("a", "app-1.0"), store_path("b", "lib-2")


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    made = workplace(tmp_path / "kept")
    downloads = Downloads(tmp_path / "kept", Fetcher(Settings()))
    return replace(made, outside=Outside(Registries({}), Daemons({}), made.blobs, downloads))


async def fill(bucket: SharedBucket, tmp_path: Path, theirs: Cache) -> list[Sent]:
    lib = Sent(theirs, LIB, tree(tmp_path / "lib", "lib"), compression="zstd")
    app = Sent(theirs, APP, tree(tmp_path / "app", "app"), [APP, LIB])
    async with served(bucket, tmp_path) as client:
        for sent in (lib, app):
            assert await sent.put(client) == (200, 200)
    return [lib, app]


def test_one_copy_is_both(tmp_path: Path, theirs: Cache, place: Workplace) -> None:
    bucket = Folder(tmp_path / "bucket")
    sent = asyncio.run(fill(bucket, tmp_path, theirs))
    address = "http://127.0.0.1:1/nix/main"
    cache = cache_of(NixCache(name="main"), bucket, Fetcher(Settings()), 1 << 30)
    found = packages_of(cache, [APP], address, place)
    assert {package.id for package in found.packages} == {APP, LIB}
    assert all(is_here(package, place) for package in found.packages)
    give = fetched(Where(caches=(address,)), place)
    for package in found.packages:
        assert [os.fsdecode(entry.path).removeprefix(package.id) for entry in give(package)] == [
            "",
            "/bin",
            "/bin/run",
            "/empty",
            "/link",
            "/none",
            "/text",
        ]
    assert place.outside
    for one in sent:
        assert (tmp_path / "bucket" / "nar" / one.file).stat().st_nlink == 2


def test_what_is_not_in_a_folder_is_fetched_when_it_is_wanted(
    bucket: SharedBucket, tmp_path: Path, theirs: Cache, place: Workplace
) -> None:
    async def run() -> None:
        await fill(bucket, tmp_path, theirs)
        async with served(bucket, tmp_path) as client:
            address = f"http://127.0.0.1:{client.port}/nix/main"
            cache = cache_of(NixCache(name="main"), bucket, Fetcher(Settings()), 1 << 30)
            found = await asyncio.to_thread(packages_of, cache, [APP], address, place)
            give = fetched(Where(caches=(address,)), place)
            for package in found.packages:
                assert len(await asyncio.to_thread(lambda one: list(give(one)), package)) == 7

    asyncio.run(run())
    assert place.outside
    place.outside.close()


def test_what_is_not_there(tmp_path: Path, place: Workplace) -> None:
    cache = cache_of(NixCache(name="main"), Folder(tmp_path / "bucket"), Fetcher(Settings()), 1 << 30)
    with pytest.raises(NixError, match="is not in the cache main"):
        packages_of(cache, [APP], "http://127.0.0.1:1/nix/main", place)
