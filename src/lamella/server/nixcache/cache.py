"""One binary cache: the paths that it has, and what it accepts.

A cache is complete: it has a path only if the NAR is in the bucket and right, and if everything that it refers to is
there too, here or in its upstreams. NARs are shared by all caches and found by their own hash, which only the narinfo
of a cache tells; so rights to a cache are rights to its narinfos.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.holds import holding
from lamella.cache.narinfos import ENDINGS, narinfo_item
from lamella.server.nixcache.local import LocalStore
from lamella.server.nixcache.names import hash_of, is_path, item_of, passing_url
from lamella.server.nixcache.nars import UnfitError, facts_of
from lamella.server.nixcache.settings import NixCache
from lamella.server.nixcache.upstreams import Upstreams
from lamella.sources.nix.narinfo import NarInfo, PublicKeys, SecretKey, parse_any, written
from lamella.staging import explained
from lamella.transport.fetch import Fetcher

_AT_ONCE = 8
_CONFLICT, _FORBIDDEN = 409, 403


@dataclass(frozen=True, slots=True)
class Found:
    """A path that the cache has. Its NAR is in the bucket, made from the store, or downloaded from `upstream`."""

    info: NarInfo
    local: bool = False
    upstream: str = ""


@dataclass(frozen=True)
class Cache:
    """One of the caches in a bucket. All methods may block."""

    settings: NixCache
    bucket: SharedBucket
    keys: tuple[SecretKey, ...]
    upstreams: Upstreams
    store: LocalStore | None
    largest: int
    """How many bytes a NAR may have, compressed or not."""

    def kept(self, hashed: str) -> str | None:
        """Return the narinfo in the bucket."""
        data = self.bucket.get(narinfo_item(self.settings.name, hashed))
        return None if data is None else data.decode()

    def here(self, hashed: str) -> Found | None:
        """Return what is known of a path without asking other machines."""
        text = self.kept(hashed)
        if text is not None:
            return Found(parse_any(text, f"the narinfo of {hashed}"))
        info = self.store.find(hashed) if self.store else None
        return Found(self.signed(info), local=True) if info else None

    def elsewhere(self, hashed: str) -> Found | None:
        """Return what the upstreams have of a path."""
        found = self.upstreams.find(hashed)
        if found is None:
            return None
        passing = msgspec.structs.replace(found.info, url=passing_url(found.info))
        return Found(self.signed(passing), upstream=found.url)

    def signed(self, info: NarInfo) -> NarInfo:
        """Return the same with our signatures."""
        ours = [key.sign(info) for key in self.keys]
        return msgspec.structs.replace(info, signatures=tuple(dict.fromkeys([*info.signatures, *ours])))

    def accept(self, hashed: str, text: str) -> None:
        """Add a path with the narinfo that a client sent. Raises an `UnfitError` if it is not right."""
        info = parse_any(text, f"the new narinfo of {hashed}")
        for wrong in self._wrongs(hashed, info):
            raise wrong
        with self.publishing(info):
            for wrong in self._lacks(info):
                raise wrong
            self.tell(info)

    def publishing(self, info: NarInfo) -> AbstractContextManager[None]:
        """Hold everything that a path needs while it is added, so that none of it is removed as garbage."""
        paths = dict.fromkeys([info.path, *info.references])
        return holding(self.bucket, [info.url, *(narinfo_item(self.settings.name, hash_of(path)) for path in paths)])

    def tell(self, info: NarInfo) -> None:
        """Store a narinfo, within `publishing`. Signatures are merged; a different NAR for the path is refused."""
        info = self.signed(info)
        name = narinfo_item(self.settings.name, hash_of(info.path))
        while not self.bucket.create(name, written(info).encode()):
            before = self.bucket.get(name)
            if before is None:
                continue
            known = parse_any(before.decode(), name)
            if known.fingerprint != info.fingerprint:
                raise UnfitError(f"{info.path} is in the cache with different contents, which are kept", _CONFLICT)
            both = tuple(dict.fromkeys([*known.signatures, *info.signatures]))
            if both == known.signatures:
                return
            after = written(msgspec.structs.replace(known, signatures=both)).encode()
            if self.bucket.swap(name, before, after):
                return

    def remove(self, hashed: str) -> bool:
        """Remove a path; return False if it was missing. Its NAR is removed when no cache refers to it."""
        name = narinfo_item(self.settings.name, hashed)
        there = self.bucket.find(name) is not None
        self.bucket.delete(name)
        return there

    def _wrongs(self, hashed: str, info: NarInfo) -> Iterator[UnfitError]:
        """Yield the reasons against a narinfo."""
        if hash_of(info.path) != hashed:
            yield UnfitError(f"{info.path} does not have the hash {hashed}")
        unclean = [path for path in (info.path, *info.references) if not is_path(path)]
        texts = (info.deriver, info.ca, *info.signatures)
        if unclean or not all(text.isascii() and text.isprintable() for text in texts):
            yield UnfitError(f"the narinfo of {hashed} contains {[*unclean, *texts][0]!r}, which Nix would not write")
        if info.compression not in ENDINGS or not info.file_hash or info.url != item_of(info):
            yield UnfitError(f"the NAR of {info.path} must be at nar/FILEHASH.nar, with one of {[*ENDINGS.values()]}")
        trusted = self.settings.trusted
        if trusted and not PublicKeys(trusted).vouch_for(info):
            yield UnfitError(f"{info.path} is not signed by a key that this cache trusts", _FORBIDDEN)

    def _lacks(self, info: NarInfo) -> Iterator[UnfitError]:
        """Yield what is missing before the path can be added."""
        item = self.bucket.find(info.url)
        if item is None:
            yield UnfitError(f"the NAR of {info.path} is missing; send it first")
        found = facts_of(self.bucket, info.url, self.largest)
        told = (info.file_hash, info.file_size, info.nar_hash, info.nar_size)
        if told != (found.file_hash, found.file_size, found.nar_hash, found.nar_size):
            yield UnfitError(f"the NAR that was sent for {info.path} has different hashes or sizes than its narinfo")
        lacking = self._lacking(info)
        if lacking:
            yield UnfitError(f"{info.path} refers to {lacking}, which is missing; send that first")

    def _lacking(self, info: NarInfo) -> str:
        """Return the first reference that no cache has."""
        below = [path for path in info.references if path != info.path]
        if not below:
            return ""
        with ThreadPoolExecutor(min(_AT_ONCE, len(below))) as pool:
            there = list(pool.map(self._has, map(hash_of, below)))
        return next((path for path, has in zip(below, there, strict=True) if not has), "")

    def _has(self, hashed: str) -> bool:
        if self.bucket.find(narinfo_item(self.settings.name, hashed)):
            return True
        return bool((self.store and self.store.find(hashed)) or self.upstreams.find(hashed))


def cache_of(settings: NixCache, bucket: SharedBucket, fetcher: Fetcher, largest: int) -> Cache:
    """Set up a cache: read its keys, and check that this machine can serve what the settings ask for."""
    lines: list[str] = []
    if settings.keys:
        with explained(Path(settings.keys), "cannot read the keys in"):
            lines = Path(settings.keys).read_text("utf-8", "replace").split()
    return Cache(
        settings=settings,
        bucket=bucket,
        keys=tuple(map(SecretKey, lines)),
        upstreams=Upstreams(settings.upstreams, fetcher),
        store=LocalStore() if settings.store else None,
        largest=largest,
    )
