"""Layers out of the packages of a cache, without a second copy of their NARs.

Whoever builds elsewhere names the cache in `[store] caches`, and fetches NARs over HTTP as from any other. What is
built in the server itself need not: it is told at once what the cache tells, and where the bucket is a folder its NARs
are linked to where fetched ones lie. Layers are then read out of the one stored copy. NARs that are in an object store
have to come to this machine anyway, before they can be read; they are fetched when a layer is made, and no sooner.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from lamella.closure import Closure
from lamella.pipeline.caches import Told, remember
from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.server.nixcache.cache import Cache, Found
from lamella.server.nixcache.names import hash_of
from lamella.sources.locked import LockedPath
from lamella.sources.nix.graph import NixError, closure_of


def packages_of(cache: Cache, roots: Sequence[str], address: str, place: Workplace) -> Closure:
    """The closure of store paths, as the cache tells of it. `address` is where the cache is served, for what has to be
    fetched; it stands in `[store] caches` of what is built."""
    paths: dict[str, LockedPath] = {}
    waiting = set(roots)
    while waiting:
        path = waiting.pop()
        found = cache.here(hash_of(path)) or cache.elsewhere(hash_of(path))
        if found is None or found.info.path != path:
            raise NixError(f"{path} is not in the cache {cache.settings.name}")
        info = found.info
        remember(Told(address, info), place)
        _link(cache, found, needed(place.outside, path).downloads.path(info.file_hash))
        paths[path] = LockedPath(path=path, nar_hash=info.nar_hash, size=info.nar_size, references=info.references)
        waiting |= set(info.references) - set(paths)
    return closure_of(list(paths.values()), roots, place.records)


def _link(cache: Cache, found: Found, target: Path) -> None:
    """Makes a NAR of the bucket one that was fetched. Where that cannot be, it will be."""
    file = cache.bucket.file(found.info.url)
    if file is None or found.local or found.upstream:
        return
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(file)
