"""Layers are read from the NARs in the bucket, which are not stored twice."""

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
from lamella.pipeline.outside import Outside
from lamella.pipeline.packages.caches import caches_of
from lamella.pipeline.packages.fetching import entries_from
from lamella.pipeline.workplace import Workplace, workplace
from lamella.registry.registries import Registries
from lamella.server.nixcache.near import nars_in
from lamella.sources.nix.graph import closure_of
from lamella.transport.connections import Settings
from lamella.transport.downloads import Downloads
from lamella.transport.fetch import Fetcher

APP, LIB = store_path("a", "app-1.0"), store_path("b", "lib-2")
FILES = ["", "/bin", "/bin/run", "/empty", "/link", "/none", "/text"]


def place_at(folder: Path, bucket: SharedBucket) -> Workplace:
    made = workplace(folder)
    downloads = Downloads(folder, lambda: Fetcher(Settings())).beside(nars_in(bucket))
    return replace(made, outside=Outside(Registries({}), Daemons({}), made.blobs, downloads))


@pytest.mark.parametrize("where", ["here", "on another disk"])
def test_one_copy_is_both(bucket: SharedBucket, tmp_path: Path, small_disk: Path, theirs: Cache, where: str) -> None:
    sent = [
        Sent(theirs, LIB, tree(tmp_path / "lib", "lib"), compression="zstd"),
        Sent(theirs, APP, tree(tmp_path / "app", "app"), [APP, LIB]),
    ]
    place = place_at(tmp_path / "kept" if where == "here" else small_disk / "kept", bucket)

    async def run() -> None:
        async with served(bucket, tmp_path) as client:
            for one in sent:
                assert await one.put(client) == (200, 200)
            await asyncio.to_thread(read, f"http://127.0.0.1:{client.port}/nix/main?trusted=1", place)

    asyncio.run(run())
    assert place.outside
    place.outside.close()
    if isinstance(bucket, Folder):
        links = {(bucket.root / "nar" / one.file).stat().st_nlink for one in sent}
        assert links == ({2} if where == "here" else {1})


def read(address: str, place: Workplace) -> None:
    """Read all files of the closure, as a build of layers does."""
    paths = caches_of([address], (), place).closure([APP])
    give = entries_from(Where(caches=(address,)), place)
    for package in closure_of(paths, [APP], place.records).packages:
        assert [os.fsdecode(entry.path).removeprefix(package.id) for entry in give(package)] == FILES
