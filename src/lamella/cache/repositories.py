"""Images by name in a bucket: what a registry knows.

    layers/<hex>                                   blobs, each once for all repositories
    repositories/<name>/_blobs/<digest>            that this repository has the blob
    repositories/<name>/_manifests/<digest>        a manifest: its media type, a line break, its bytes
    repositories/<name>/_tags/<tag>                the digest that the tag leads to
    repositories/<name>/_referrers/<digest>/<digest>  a descriptor of a manifest that refers to another one
    mirrored/<name>/_<tag>                         the digest that a tag of another registry led to

Blobs are written first, then what names them, so a client that sees a manifest finds everything that it leads to.
Names, tags and digests are checked before they get here. If garbage is collected, everything except removals must be
written through `publishing`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.oci.digest import Digest, encoded, is_digest_of
from lamella.oci.typed import decode_as

REPOSITORIES, MIRRORED = "repositories/", "mirrored/"
BLOBS, MANIFESTS, TAGS, REFERRERS = "_blobs", "_manifests", "_tags", "_referrers"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was pushed."""

    digest: Digest
    media_type: str
    data: bytes


class Referrer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename="camel"):
    """The descriptor of a manifest that refers to another one."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str = ""
    annotations: dict[str, str] = {}


def blob_name(digest: Digest) -> str:
    """The item that holds a blob."""
    return f"layers/{encoded(digest)}"


def repositories(bucket: SharedBucket) -> Iterator[str]:
    """The names of all repositories, sorted."""
    yield from sorted({item.name.removeprefix(REPOSITORIES).partition("/_")[0] for item in bucket.list(REPOSITORIES)})


@dataclass(frozen=True)
class Repository:
    """One repository of a bucket. It always reports the current state of the bucket; nothing is cached."""

    bucket: SharedBucket
    name: str

    def exists(self) -> bool:
        """Whether anything was ever pushed here."""
        return next(self.bucket.list(f"{REPOSITORIES}{self.name}/_"), None) is not None

    def blob(self, digest: Digest) -> int | None:
        """The size of a blob; None if this repository does not have it."""
        if self.bucket.get(self.at(BLOBS, digest)) is None:
            return None
        item = self.bucket.find(blob_name(digest))
        return item.size if item else None

    def link(self, digest: Digest) -> None:
        """Record that this repository has a blob, which must be in the bucket."""
        self.bucket.put(self.at(BLOBS, digest), b"")

    def unlink(self, digest: Digest) -> bool:
        """Record that it no longer has the blob; return False if it did not. The bytes may be shared, and stay."""
        return self._remove(self.at(BLOBS, digest))

    def manifest(self, digest: Digest) -> Manifest | None:
        """A manifest; None if it does not exist or is damaged."""
        data = self.bucket.get(self.at(MANIFESTS, digest))
        if data is None:
            return None
        media_type, _, body = data.partition(b"\n")
        return Manifest(digest, media_type.decode(), body) if is_digest_of(digest, body) else None

    def has_manifest(self, digest: Digest) -> bool:
        """Whether the manifest exists, without checking its bytes."""
        return self.bucket.find(self.at(MANIFESTS, digest)) is not None

    def put_manifest(self, manifest: Manifest) -> None:
        """Store a manifest; everything that it leads to must exist."""
        self.bucket.put(self.at(MANIFESTS, manifest.digest), manifest.media_type.encode() + b"\n" + manifest.data)

    def delete_manifest(self, digest: Digest) -> bool:
        """Remove the tags that lead to a manifest, then the manifest; return False if it did not exist."""
        for tag in self.tags():
            if self.tagged(tag) == digest:
                self.delete_tag(tag)
        return self._remove(self.at(MANIFESTS, digest))

    def manifests(self) -> Iterator[Digest]:
        """The digests of all manifests."""
        prefix = self.at(MANIFESTS, "")
        for item in self.bucket.list(prefix):
            yield file_digest(item.name.removeprefix(prefix))

    def tagged(self, tag: str) -> Digest | None:
        """The digest of the manifest that a tag leads to."""
        data = self.bucket.get(self.at(TAGS, tag))
        return Digest(data.decode()) if data else None

    def tag(self, tag: str, digest: Digest) -> None:
        """Make a tag lead to a manifest, which must exist."""
        self.bucket.put(self.at(TAGS, tag), digest.encode())

    def delete_tag(self, tag: str) -> bool:
        """Remove a tag, but not the manifest; return False if it did not exist."""
        return self._remove(self.at(TAGS, tag))

    def tags(self) -> Iterator[str]:
        """All tags, sorted."""
        prefix = self.at(TAGS, "")
        for item in self.bucket.list(prefix):
            yield item.name.removeprefix(prefix)

    def refer(self, subject: Digest, referrer: Referrer) -> None:
        """Record that a manifest refers to `subject`, which need not exist."""
        self.bucket.put(self._referrer(subject, referrer.digest), msgspec.json.encode(referrer))

    def refer_no_more(self, subject: Digest, digest: Digest) -> None:
        """Undo `refer`."""
        self.bucket.delete(self._referrer(subject, digest))

    def referrers(self, subject: Digest) -> Iterator[Referrer]:
        """The manifests that refer to `subject`, sorted by digest."""
        return filter(None, (self.referrer(subject, digest) for digest in self.referring(subject)))

    def referring(self, subject: Digest) -> Iterator[Digest]:
        """The digests of the manifests that refer to `subject`."""
        prefix = f"{self.at(REFERRERS, subject)}/"
        for item in self.bucket.list(prefix):
            yield file_digest(item.name.removeprefix(prefix))

    def referrer(self, subject: Digest, digest: Digest) -> Referrer | None:
        """The descriptor of a manifest that refers to `subject`."""
        data = self.bucket.get(self._referrer(subject, digest))
        return decode_as(data, Referrer) if data is not None else None

    def _referrer(self, subject: Digest, digest: Digest) -> str:
        return f"{self.at(REFERRERS, subject)}/{digest_file(digest)}"

    def at(self, kind: str, name: str) -> str:
        """The name of an item of this repository; `kind` is one of `BLOBS`, `MANIFESTS`, `TAGS` and `REFERRERS`."""
        return f"{REPOSITORIES}{self.name}/{kind}/{digest_file(name)}"

    def _remove(self, name: str) -> bool:
        found = self.bucket.find(name) is not None
        self.bucket.delete(name)
        return found


def digest_file(digest: str) -> str:
    """A digest as written in the names of items."""
    return digest.replace(":", "-", 1)


def note(repository: str, of: str) -> str:
    """The name of notes about a digest or tag of a repository.

    No part of a repository's name begins with `_`, so the notes of different repositories never collide.
    """
    return f"{repository}/_{digest_file(of)}"


def noted(name: str) -> tuple[str, str]:
    """The repository that a note is about, and the digest or tag as written there."""
    repository, _, of = name.rpartition("/_")
    return repository, of


def file_digest(file: str) -> Digest:
    """The digest that `digest_file` wrote."""
    return Digest(file.replace("-", ":", 1))
