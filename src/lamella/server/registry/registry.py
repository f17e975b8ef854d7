"""What the handlers of the registry share: the bucket, what is remembered of it, and where else images come from."""

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
    """Where images come from that nobody has pushed: they are built, or fetched from another registry."""

    async def manifest(self, name: str, reference: str, permit: Permit) -> Manifest | None:
        """The manifest that is meant, which is in the repository `name` then, with all that it needs; or None.

        `permit` refuses an action that whoever asks may not do with this name.
        """

    async def blob(self, name: str, digest: Digest) -> bool:
        """Sees to it that a blob of a manifest that came from here is in the bucket; False if that is not known."""


@dataclass(frozen=True, slots=True)
class Largest:
    """How many bytes what is pushed may have."""

    manifest: int = 4 << 20
    blob: int | None = None


class Registry:
    """A registry over a bucket. What is named by a digest is remembered for a while; tags never are."""

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
        """How often something was remembered, and how often not."""
        return {
            "manifests": (self.manifests.hits, self.manifests.misses),
            "blobs": (self._blobs.hits, self._blobs.misses),
        }

    async def names(self) -> list[str]:
        """The names of all repositories. Who asks at once shares the look through all that they hold."""
        return await self._names.do("", lambda: asyncio.to_thread(lambda: list(repositories(self.bucket))))

    def repository(self, name: str) -> Repository:
        """A repository by its name."""
        return Repository(self.bucket, name)

    async def manifest(self, name: str, reference: str, permit: Permit) -> Manifest | None:
        """The manifest that a tag or digest means: as it was pushed, or else as an origin gives it."""
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
        """The size of a blob that somebody is going to count on: it stays for as long as a push may take."""
        size = await self.blob(name, digest)
        return size if size is not None and await asyncio.to_thread(used, self.bucket, blob_name(digest)) else None

    async def _kept(self, repository: Repository, digest: Digest) -> Manifest | None:
        """A manifest that is here. That it is pulled is noted, so that it is kept, and then it is still here."""
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
        """The size of a blob that the repository has."""
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
        """Remembers nothing of a manifest or blob that is removed."""
        self.manifests.forget((name, digest))
        self._blobs.forget((name, digest))
