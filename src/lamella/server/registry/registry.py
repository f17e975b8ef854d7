"""What the handlers of the registry share: the bucket, what is remembered of it, and the origins of images."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from lamella.cache.bucket import SharedBucket
from lamella.cache.publishing import Pulls, used
from lamella.cache.repositories import Manifest, Repository, blob_name, repositories
from lamella.oci.digest import Digest
from lamella.server.answers import RefusedError
from lamella.server.hot import Hot
from lamella.server.once import Once
from lamella.server.registry.names import is_digest

_MANIFESTS = 64 << 20
_BLOBS = 100_000
_SECONDS = 60.0


Permit = Callable[[str], None]


class Origin(Protocol):
    """Where images that nobody pushed come from: they are built, or downloaded from another registry."""

    async def manifest(self, name: str, reference: str, permit: Permit) -> Manifest | None:
        """Return the manifest, after bringing it and all that it needs into the repository `name`; or None.

        `permit` refuses an action that the client may not do with this name.
        """

    async def blob(self, name: str, digest: Digest) -> bool:
        """Bring a blob of a manifest from this origin into the bucket; return False if the blob is unknown."""


@dataclass(frozen=True, slots=True)
class Largest:
    """The size limits for pushes, in bytes."""

    manifest: int = 4 << 20
    blob: int | None = None


class Registry:
    """A registry on top of a bucket. What digests name is remembered for a while; tags never are."""

    def __init__(
        self,
        bucket: SharedBucket,
        origins: Sequence[Origin] = (),
        *,
        writable: bool = False,
        redirect: timedelta | None = None,
        largest: Largest = Largest(),
    ) -> None:
        self.bucket = bucket
        self.origins = origins
        self.writable = writable
        self.redirect = redirect
        self.largest = largest
        self.manifests: Hot[tuple[str, Digest], Manifest] = Hot(_MANIFESTS, _SECONDS, lambda one: len(one.data) + 200)
        self._pulls = Pulls(bucket)
        self._names: Once[str, list[str]] = Once()
        self._blobs: Hot[tuple[str, Digest], int] = Hot(_BLOBS, _SECONDS, lambda _: 1)

    @property
    def lookups(self) -> dict[str, tuple[int, int]]:
        """How often something was in memory, and how often not."""
        return {
            "manifests": (self.manifests.hits, self.manifests.misses),
            "blobs": (self._blobs.hits, self._blobs.misses),
        }

    async def names(self) -> list[str]:
        """Return the names of all repositories. Simultaneous requests share one listing of the bucket."""
        return await self._names.do("", lambda: asyncio.to_thread(lambda: list(repositories(self.bucket))))

    def repository(self, name: str) -> Repository:
        """Return a repository by its name."""
        return Repository(self.bucket, name)

    async def manifest(self, name: str, reference: str, permit: Permit) -> Manifest | None:
        """Return the manifest of a tag or digest: as it was pushed, or else from an origin."""
        repository = self.repository(name)
        digest = Digest(reference) if is_digest(reference) else await asyncio.to_thread(repository.tagged, reference)
        found = await self._kept(repository, digest) if digest else None
        for origin in self.origins if found is None else ():
            given = await origin.manifest(name, reference, permit)
            if given:
                found = await self._kept(repository, given.digest)
                if found is None:
                    message = f"{name} was just removed as garbage; pull again"
                    raise RefusedError(503, "UNAVAILABLE", message, headers={"Retry-After": "1"})
                break
        return found

    async def counted_on(self, name: str, digest: Digest) -> int | None:
        """Return the size of a blob that a push will rely on: it is kept for as long as a push may take."""
        size = await self.blob(name, digest)
        return size if size is not None and await asyncio.to_thread(used, self.bucket, blob_name(digest)) else None

    async def _kept(self, repository: Repository, digest: Digest) -> Manifest | None:
        """Return a manifest in the bucket. The pull is noted first, so that garbage collection keeps it."""
        key = (repository.name, digest)
        found = self.manifests.get(key) or await self._read(repository, digest)
        if found is None or self._pulls.is_noted(*key):
            return found
        if not await asyncio.to_thread(self._pulls.pulled, *key):
            self.manifests.forget(key)
            return None
        return await self._read(repository, digest)

    async def _read(self, repository: Repository, digest: Digest) -> Manifest | None:
        found = await asyncio.to_thread(repository.manifest, digest)
        if found:
            self.manifests.put((repository.name, digest), found)
        return found

    async def blob(self, name: str, digest: Digest) -> int | None:
        """Return the size of a blob of the repository."""
        known = self._blobs.get((name, digest))
        if known is not None:
            return known
        size = await asyncio.to_thread(self.repository(name).blob, digest)
        for origin in self.origins if size is None else ():
            if await origin.blob(name, digest):
                size = await asyncio.to_thread(self.repository(name).blob, digest)
                break
        if size is not None:
            self._blobs.put((name, digest), size)
        return size

    def forget(self, name: str, digest: Digest) -> None:
        """Forget a manifest or blob that was removed."""
        self.manifests.forget((name, digest))
        self._blobs.forget((name, digest))
