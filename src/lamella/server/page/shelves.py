"""The contents of repositories, as the pages show them. Anything unreadable is skipped."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.repositories import MANIFESTS, REPOSITORIES, TAGS, Repository, blob_name, file_digest
from lamella.oci import media
from lamella.oci.digest import Digest
from lamella.oci.platforms import spelled
from lamella.oci.wire import AnyManifest, Document, Platform, WireError, decode
from lamella.server.page.latest import Latest

MOST = 1000
"""If a repository has more manifests or tags, only the newest are shown."""
_FRESH = 10.0
_LARGEST = 4 << 20
_NONE = "unknown"


@dataclass(frozen=True, slots=True)
class Listed:
    """A repository in a list of them."""

    name: str
    tags: int
    manifests: int
    changed: float


class Told(AnyManifest, frozen=True, kw_only=True, rename="camel"):
    """The contents of a manifest of any kind."""

    @property
    def is_index(self) -> bool:
        """Whether it refers to other manifests."""
        return self.media_type in media.INDEXES

    @property
    def is_image(self) -> bool:
        """Whether it is an image of one platform."""
        return self.config is not None and self.config.media_type in media.CONFIGS

    @property
    def kind(self) -> str:
        """What it is, in words for people."""
        if self.is_index or self.is_image:
            return "index" if self.is_index else "image"
        return self.artifact_type or (self.config.media_type if self.config else "") or self.media_type


@dataclass(frozen=True)
class Version:
    """Something that can be pulled by its tags or its digest: an image, an index of images, or an artifact."""

    digest: Digest
    told: Told
    changed: float
    size: int
    tags: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """A tag, or else the digest."""
        return self.tags[0] if self.tags else self.digest


@dataclass
class Shelves:
    """All repositories of a bucket. All methods block, so call them in threads."""

    bucket: SharedBucket
    clock: Callable[[], float] = time.time
    _seen: tuple[float, list[Listed]] = field(default=(0.0, []), init=False)

    def __post_init__(self) -> None:
        self._manifests: Latest[Told] = Latest(self.bucket, _told)
        self._tags: Latest[Digest] = Latest(self.bucket, lambda data: Digest(data.decode("ascii", "replace")))
        self._platforms: Latest[str] = Latest(self.bucket, _platform)

    def all(self) -> list[Listed]:
        """Return the repositories that have manifests, by name, as they were a moment ago."""
        when, seen = self._seen
        if self.clock() - when > _FRESH:
            seen = _all(self.bucket)
            self._seen = self.clock(), seen
        return seen

    def told(self, repository: Repository, digest: Digest) -> tuple[float, Told] | None:
        """Return when a manifest arrived, and its contents."""
        found = self._manifests.one(repository.at(MANIFESTS, digest))
        return (found[0].used, found[1]) if found else None

    def versions(self, repository: Repository) -> list[Version]:
        """Return what can be pulled from a repository, newest first; without the parts of indexes."""
        tags = self._tags_of(repository)
        prefix = repository.at(MANIFESTS, "")
        found = {
            file_digest(item.name.removeprefix(prefix)): (item.used, told)
            for item, told in self._manifests.under(prefix, MOST)
        }
        for digest in tags.keys() - found.keys():
            one = self.told(repository, digest)
            if one:
                found[digest] = one
        parts = {child.digest for _, told in found.values() for child in told.manifests}
        versions = [
            _version(digest, told, when, tags.get(digest, {}), _size(told, found))
            for digest, (when, told) in found.items()
            if digest in tags or not (digest in parts or told.subject)
        ]
        return sorted(versions, key=lambda one: (-one.changed, one.digest))

    def platforms(self, version: Version) -> tuple[str, ...]:
        """Return its platforms, as people write them."""
        told = version.told
        if told.is_index:
            return tuple(machines(told))
        if not told.is_image or told.config is None:
            return ()
        found = self._platforms.one(blob_name(told.config.digest)) if told.config.size < _LARGEST else None
        return (found[1],) if found else ()

    def _tags_of(self, repository: Repository) -> dict[Digest, dict[str, float]]:
        """Return the tags of each digest, and when they were set."""
        prefix = repository.at(TAGS, "")
        found: dict[Digest, dict[str, float]] = {}
        for item, digest in self._tags.under(prefix, MOST):
            found.setdefault(digest, {})[item.name.removeprefix(prefix)] = item.used
        return found


def machines(told: Told) -> dict[str, Digest]:
    """Return the images of an index by platform, without attestations."""
    return {spelled(one.platform): one.digest for one in told.manifests if one.platform and one.platform.os != _NONE}


def _version(digest: Digest, told: Told, when: float, tags: Mapping[str, float], size: int) -> Version:
    return Version(digest, told, max(tags.values(), default=when), size, tuple(sorted(tags)))


def _all(bucket: SharedBucket) -> list[Listed]:
    counts: dict[str, tuple[Counter[str], float]] = {}
    for item in bucket.list(REPOSITORIES):
        name, slash, rest = item.name.removeprefix(REPOSITORIES).partition("/_")
        kind = "_" + rest.partition("/")[0]
        if slash and kind in (TAGS, MANIFESTS):
            count, changed = counts.get(name, (Counter(), 0.0))
            count[kind] += 1
            counts[name] = count, max(changed, item.used)
    found = [Listed(name, count[TAGS], count[MANIFESTS], changed) for name, (count, changed) in counts.items()]
    return sorted(found, key=lambda shelf: shelf.name)


def _size(told: Told, others: Mapping[Digest, tuple[float, Told]]) -> int:
    """Return how many bytes a machine downloads that has none of it; for an index, of all platforms."""
    blobs: dict[str, int] = {}
    parts = [told, *(others[child.digest][1] for child in told.manifests if child.digest in others)]
    for part in parts:
        blobs |= {blob.digest: max(0, blob.size) for blob in [*([part.config] if part.config else []), *part.layers]}
    return sum(blobs.values())


def _told(data: bytes) -> Told | None:
    media_type, _, body = data.partition(b"\n")
    try:
        told = decode(body, Told, "a manifest")
    except WireError:
        return None
    kind = media_type.decode("ascii", "replace")
    return msgspec.structs.replace(told, media_type=kind)


class _Machine(Document, frozen=True, kw_only=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""


def _platform(data: bytes) -> str | None:
    try:
        told = decode(data, _Machine, "a config")
    except WireError:
        return None
    return spelled(Platform(architecture=told.architecture, os=told.os, variant=told.variant))
