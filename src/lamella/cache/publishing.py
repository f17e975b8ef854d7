"""How anything comes into a repository, or is held on to, while garbage is collected. `holds` says why that is safe.

    used/<name>                     that somebody was told that the item is there, and counts on it for a while
    pulls/<repository>/_<digest>    that a manifest was asked for
    pins/<repository>/_<digest>     that a person wants a manifest kept

Of a store path in a Nix cache the same is kept: its repository is `nix/<cache>`, and its digest the hash in its name.
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
"""Less than any collector's grace, so that a mark of that age still counts."""
_PULLED_EVERY = 3600.0
_REMEMBERED = 100_000
_MOST_MISSING = 5
"""How many parts are looked for in vain before a manifest is refused: one may name tens of thousands."""


class UnknownPartsError(LamellaError):
    """A manifest names blobs or manifests that its repository has not."""

    exit_code = 5

    def __init__(self, repository: str, digest: Digest, missing: tuple[Digest, ...]) -> None:
        self.missing = missing
        super().__init__(f"{repository} lacks what {digest} refers to; push first: {', '.join(missing)}")


def publish(repository: Repository, manifest: Manifest, *tags: str) -> Digest | None:
    """Writes a manifest, and then what leads to it, if its repository has all of its parts; gives its subject.

    An `UnknownPartsError` if not, a `WireError` or `DigestError` if it is no manifest; nothing is written then.
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
    """A manifest that a repository has, or gets from another one with all that it leads to; None if that is gone."""
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
    """Removes a manifest, the tags that lead to it, and what it says of its subject; False if it was not there."""
    manifest = repository.manifest(digest)
    subject = parts_of(manifest.data).subject if manifest else None
    if subject:
        repository.refer_no_more(subject, digest)
    return repository.delete_manifest(digest)


def _names(repository: Repository, digest: Digest, parts: Parts, tags: Iterable[str]) -> list[str]:
    """What a manifest is going to need, and itself."""
    names = [repository.at(MANIFESTS, one) for one in (digest, *parts.manifests)]
    names += [repository.at(MANIFESTS, parts.subject)] if parts.subject else []
    for blob in parts.blobs:
        names += repository.at(BLOBS, blob), blob_name(blob)
    return names + [repository.at(TAGS, tag) for tag in tags]


@contextlib.contextmanager
def arriving(repository: Repository, digest: Digest) -> Iterator[None]:
    """A blob is put into the bucket while this lasts; if nothing was raised, its repository has it then."""
    with holding(repository.bucket, (repository.at(BLOBS, digest), blob_name(digest))):
        yield
        repository.link(digest)


def mount(repository: Repository, digest: Digest) -> bool:
    """Gives a repository a blob that is in the bucket; False if it is not."""
    with holding(repository.bucket, (repository.at(BLOBS, digest), blob_name(digest))):
        if repository.bucket.find(blob_name(digest)) is None:
            return False
        repository.link(digest)
    return True


def used(bucket: SharedBucket, name: str, now: float | None = None) -> bool:
    """Whether an item is there, to stay for as long as a push may take. Writes at most every half an hour.

    As with a hold: first the mark, then a look at what is doomed, and only then at the item.
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
    """Notes what is pulled; each is written at most once an hour, whoever asks how often."""

    def __init__(self, bucket: SharedBucket) -> None:
        self._bucket = bucket
        self._noted: dict[str, float] = {}

    def is_noted(self, repository: str, digest: str, now: float | None = None) -> bool:
        """Whether that was noted a while ago, and need not be now; nobody is asked."""
        now = time.time() if now is None else now
        return self._noted.get(note(repository, digest), 0.0) > now - _PULLED_EVERY

    def pulled(self, repository: str, digest: str, now: float | None = None) -> bool:
        """Notes that something is pulled, before it is looked for; False if it is being removed, and counts as gone.

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
    """Keeps a manifest, and what it leads to, whatever the policies say; False if it is not there."""
    name = _item(repository, digest)
    with holding(bucket, (name,)):
        if bucket.find(name) is None:
            return False
        bucket.put(PINS + note(repository, digest), b"")
    return True


def pinned(bucket: SharedBucket) -> Iterator[tuple[str, str]]:
    """What was pinned: repositories with digests, or Nix caches with hashes."""
    for item in bucket.list(PINS):
        repository, file = noted(item.name.removeprefix(PINS))
        yield repository, file_digest(file)  # hashes of Nix are the same in names of items


def unpin(bucket: SharedBucket, repository: str, digest: str) -> None:
    """Takes that back."""
    bucket.delete(PINS + note(repository, digest))


def _item(repository: str, digest: str) -> str:
    """The item that a pull or a pin is about."""
    if ":" in digest:
        return f"{REPOSITORIES}{repository}/{MANIFESTS}/{digest_file(digest)}"
    return narinfo_item(repository.removeprefix(NIX), digest)
