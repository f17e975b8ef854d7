"""How items are added to a repository, or kept, while garbage is collected. `holds` explains why that is safe.

    used/<name>                     that a client was told that the item exists, and counts on it for a while
    pulls/<repository>/_<digest>    that a manifest was requested
    pins/<repository>/_<digest>     that a user wants a manifest kept

The same is stored for store paths in a Nix cache: the repository is `nix/<cache>`, the digest is the hash in the name.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from lamella.cache.bucket import SharedBucket
from lamella.cache.holds import doomed, holding
from lamella.cache.narinfos import narinfo_item
from lamella.cache.parts import Parts, parts_of, referrer_of
from lamella.cache.repositories import (
    BLOBS,
    MANIFESTS,
    REPOSITORIES,
    TAGS,
    Manifest,
    Repository,
    blob_name,
    digest_file,
    file_digest,
    note,
    noted,
)
from lamella.errors import LamellaError
from lamella.oci.digest import Digest

PINS, PULLS, USED = "pins/", "pulls/", "used/"
NIX = "nix/"
_USED_EVERY = 1800.0
"""Less than any collector's grace period, so that a mark of that age still counts."""
_PULLED_EVERY = 3600.0
_REMEMBERED = 100_000
_MOST_MISSING = 5
"""How many parts may be found missing before a manifest is refused: it may name tens of thousands."""


class UnknownPartsError(LamellaError):
    """A manifest names blobs or manifests that its repository does not have."""

    exit_code = 5

    def __init__(self, repository: str, digest: Digest, missing: tuple[Digest, ...]) -> None:
        self.missing = missing
        super().__init__(f"{repository} lacks what {digest} refers to; push first: {', '.join(missing)}")


def publish(repository: Repository, manifest: Manifest, *tags: str) -> Digest | None:
    """Write a manifest, then what leads to it, if its repository has all of its parts; return its subject.

    Raises an `UnknownPartsError` if parts are missing, a `WireError` or `DigestError` if it is not a manifest; then
    nothing is written.
    """
    parts = parts_of(manifest.data)
    with holding(repository.bucket, _names(repository, manifest.digest, parts, tags)):
        missing = tuple(islice(_missing(repository, parts), _MOST_MISSING))
        if missing:
            raise UnknownPartsError(repository.name, manifest.digest, missing)
        repository.put_manifest(manifest)
        if parts.subject:
            repository.refer(parts.subject, referrer_of(manifest))
        for tag in tags:
            repository.tag(tag, manifest.digest)
    return parts.subject


def _missing(repository: Repository, parts: Parts) -> Iterator[Digest]:
    yield from (blob for blob in parts.blobs if repository.blob(blob) is None)
    yield from (child for child in parts.manifests if not repository.has_manifest(child))


def adopt(source: Repository, repository: Repository, digest: Digest) -> Manifest | None:
    """Return a manifest, copied from `source` with all it leads to if `repository` lacks it; None if it is gone."""
    known = repository.manifest(digest)
    if known:
        return known
    manifest = source.manifest(digest)
    if manifest is None:
        return None
    parts = parts_of(manifest.data)
    if not all(adopt(source, repository, child) for child in parts.manifests):
        return None
    if not all(mount(repository, blob) for blob in parts.blobs):
        return None
    publish(repository, manifest)
    return manifest


def withdraw(repository: Repository, digest: Digest) -> bool:
    """Remove a manifest, the tags that lead to it, and its entry among referrers; return False if it did not exist."""
    manifest = repository.manifest(digest)
    subject = parts_of(manifest.data).subject if manifest else None
    if subject:
        repository.refer_no_more(subject, digest)
    return repository.delete_manifest(digest)


def _names(repository: Repository, digest: Digest, parts: Parts, tags: Iterable[str]) -> list[str]:
    """The items that a manifest is going to need, and its own."""
    names = [repository.at(MANIFESTS, one) for one in (digest, *parts.manifests)]
    names += [repository.at(MANIFESTS, parts.subject)] if parts.subject else []
    for blob in parts.blobs:
        names += repository.at(BLOBS, blob), blob_name(blob)
    return names + [repository.at(TAGS, tag) for tag in tags]


@contextlib.contextmanager
def arriving(repository: Repository, digest: Digest) -> Iterator[None]:
    """Add a blob: it is put into the bucket inside this context, and then belongs to its repository."""
    with holding(repository.bucket, (repository.at(BLOBS, digest), blob_name(digest))):
        yield
        repository.link(digest)


def mount(repository: Repository, digest: Digest) -> bool:
    """Give a repository a blob that is in the bucket; return False if it is not there."""
    with holding(repository.bucket, (repository.at(BLOBS, digest), blob_name(digest))):
        if repository.bucket.find(blob_name(digest)) is None:
            return False
        repository.link(digest)
    return True


def used(bucket: SharedBucket, name: str, now: float | None = None) -> bool:
    """Whether an item exists, and will stay for as long as a push may take. Writes at most every half hour.

    As with a hold: first it writes the mark, then it checks what is doomed, and only then the item.
    """
    now = time.time() if now is None else now
    item = bucket.find(name)
    if item is None:
        return False
    if item.used > now - _USED_EVERY:
        return True
    mark = bucket.find(USED + name)
    if mark is None or mark.used <= now - _USED_EVERY:
        bucket.put(USED + name, b"")
    return not doomed(bucket, (name,)) and bucket.find(name) is not None


class Pulls:
    """Notes what is pulled; each note is written at most once an hour, however often the item is pulled."""

    def __init__(self, bucket: SharedBucket) -> None:
        self._bucket = bucket
        self._noted: dict[str, float] = {}

    def is_noted(self, repository: str, digest: str, now: float | None = None) -> bool:
        """Whether a pull was noted recently, and need not be noted now; this does not ask the bucket."""
        now = time.time() if now is None else now
        return self._noted.get(note(repository, digest), 0.0) > now - _PULLED_EVERY

    def pulled(self, repository: str, digest: str, now: float | None = None) -> bool:
        """Note a pull, before looking for the item; return False if the item is being removed, and counts as gone.

        What is found after that stays, with all that it leads to, for as long as the rules keep what was pulled.
        """
        now = time.time() if now is None else now
        if self.is_noted(repository, digest, now):
            return True
        key = note(repository, digest)
        self._bucket.put(PULLS + key, b"")
        if doomed(self._bucket, (_item(repository, digest),)):
            return False
        if len(self._noted) >= _REMEMBERED:
            self._noted.clear()
        self._noted[key] = now
        return True


def pin(bucket: SharedBucket, repository: str, digest: str) -> bool:
    """Keep a manifest and what it leads to, whatever the policies say; return False if it does not exist."""
    name = _item(repository, digest)
    with holding(bucket, (name,)):
        if bucket.find(name) is None:
            return False
        bucket.put(PINS + note(repository, digest), b"")
    return True


def pinned(bucket: SharedBucket) -> Iterator[tuple[str, str]]:
    """Yield what is pinned: repositories with digests, or Nix caches with hashes."""
    for item in bucket.list(PINS):
        repository, file = noted(item.name.removeprefix(PINS))
        yield repository, file_digest(file)  # Nix hashes are unchanged in the names of items


def unpin(bucket: SharedBucket, repository: str, digest: str) -> None:
    """Undo `pin`."""
    bucket.delete(PINS + note(repository, digest))


def _item(repository: str, digest: str) -> str:
    """The item that a pull or a pin is about."""
    if ":" in digest:
        return f"{REPOSITORIES}{repository}/{MANIFESTS}/{digest_file(digest)}"
    return narinfo_item(repository.removeprefix(NIX), digest)
