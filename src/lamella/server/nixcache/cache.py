"""One binary cache: what it tells of paths, and what it takes.

What it tells is complete: a path is told of when its NAR is in the bucket and right, and when all that it refers to is
told of too, here or by caches beside it. NARs are shared by all caches, and known by their own hash, which only the
narinfo of a cache tells; so rights to a cache are rights to its narinfos.
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
    """What is told of a path. Its NAR is in the bucket, or else made of the store, or fetched from `upstream`."""

    info: NarInfo
    local: bool = False
    upstream: str = ""


@dataclass(frozen=True)
class Cache:
    """One of the caches in a bucket. All of this may block."""

    settings: NixCache
    bucket: SharedBucket
    keys: tuple[SecretKey, ...]
    upstreams: Upstreams
    store: LocalStore | None
    largest: int
    """How many bytes a NAR may have, packed or not."""

    def kept(self, hashed: str) -> str | None:
        """The narinfo in the bucket."""
        data = self.bucket.get(narinfo_item(self.settings.name, hashed))
        return None if data is None else data.decode()

    def here(self, hashed: str) -> Found | None:
        """What is told of a path without asking other machines."""
        text = self.kept(hashed)
        if text is not None:
            return Found(parse_any(text, f"the narinfo of {hashed}"))
        info = self.store.find(hashed) if self.store else None
        return Found(self.signed(info), local=True) if info else None

    def elsewhere(self, hashed: str) -> Found | None:
        """What caches beside this one tell of a path."""
        found = self.upstreams.find(hashed)
        if found is None:
            return None
        passing = msgspec.structs.replace(found.info, url=passing_url(found.info))
        return Found(self.signed(passing), upstream=found.url)

    def signed(self, info: NarInfo) -> NarInfo:
        """The same, with our signatures."""
        ours = [key.sign(info) for key in self.keys]
        return msgspec.structs.replace(info, signatures=tuple(dict.fromkeys([*info.signatures, *ours])))

    def accept(self, hashed: str, text: str) -> None:
        """Tells of a path from now on as somebody wants it; a `UnfitError` if that would not be right."""
        info = parse_any(text, f"what is to be told of {hashed}")
        for wrong in self._wrongs(hashed, info):
            raise wrong
        with self.publishing(info):
            for wrong in self._lacks(info):
                raise wrong
            self.tell(info)

    def publishing(self, info: NarInfo) -> AbstractContextManager[None]:
        """While this lasts a path can be told of: nothing that it needs goes as garbage."""
        paths = dict.fromkeys([info.path, *info.references])
        return holding(self.bucket, [info.url, *(narinfo_item(self.settings.name, hash_of(path)) for path in paths)])

    def tell(self, info: NarInfo) -> None:
        """Stores a narinfo, within `publishing`. Signatures come together; another NAR for the path is refused."""
        info = self.signed(info)
        name = narinfo_item(self.settings.name, hash_of(info.path))
        while not self.bucket.create(name, written(info).encode()):
            before = self.bucket.get(name)
            if before is None:
                continue
            known = parse_any(before.decode(), name)
            if known.fingerprint != info.fingerprint:
                raise UnfitError(f"{info.path} is in the cache with other contents, which stay", _CONFLICT)
            both = tuple(dict.fromkeys([*known.signatures, *info.signatures]))
            if both == known.signatures:
                return
            after = written(msgspec.structs.replace(known, signatures=both)).encode()
            if self.bucket.swap(name, before, after):
                return

    def remove(self, hashed: str) -> bool:
        """Tells of a path no more; False if it did not. The NAR goes when nobody tells of it."""
        name = narinfo_item(self.settings.name, hashed)
        there = self.bucket.find(name) is not None
        self.bucket.delete(name)
        return there

    def _wrongs(self, hashed: str, info: NarInfo) -> Iterator[UnfitError]:
        """Why what is told cannot be taken."""
        if hash_of(info.path) != hashed:
            yield UnfitError(f"{info.path} is not the path with the hash {hashed}")
        unclean = [path for path in (info.path, *info.references) if not is_path(path)]
        texts = (info.deriver, info.ca, *info.signatures)
        if unclean or not all(text.isascii() and text.isprintable() for text in texts):
            yield UnfitError(f"what is told of {hashed} holds {[*unclean, *texts][0]!r}, which Nix would not write")
        if info.compression not in ENDINGS or not info.file_hash or info.url != item_of(info):
            yield UnfitError(f"the NAR of {info.path} must be at nar/FILEHASH.nar, with one of {[*ENDINGS.values()]}")
        trusted = self.settings.trusted
        if trusted and not PublicKeys(trusted).vouch_for(info):
            yield UnfitError(f"{info.path} is signed by no key that this cache trusts", _FORBIDDEN)

    def _lacks(self, info: NarInfo) -> Iterator[UnfitError]:
        """What is missing for it to be told."""
        item = self.bucket.find(info.url)
        if item is None:
            yield UnfitError(f"the NAR of {info.path} is not here; send it first")
        found = facts_of(self.bucket, info.url, self.largest)
        told = (info.file_hash, info.file_size, info.nar_hash, info.nar_size)
        if told != (found.file_hash, found.file_size, found.nar_hash, found.nar_size):
            yield UnfitError(f"the NAR that was sent for {info.path} has other hashes and sizes than are told")
        lacking = self._lacking(info)
        if lacking:
            yield UnfitError(f"{info.path} refers to {lacking}, which is not here; send that first")

    def _lacking(self, info: NarInfo) -> str:
        """The first reference that nobody tells of."""
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
    """The cache as it is set up; its keys are read, and whether this machine can do what is wanted is seen."""
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
