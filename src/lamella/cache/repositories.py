"""Images by name in a bucket: what a registry knows.

    layers/<hex>                                   blobs, each once, whoever has it
    repositories/<name>/_blobs/<digest>            that this repository has the blob
    repositories/<name>/_manifests/<digest>        a manifest: its media type, a line break, its bytes
    repositories/<name>/_tags/<tag>                the digest that the tag leads to
    repositories/<name>/_referrers/<digest>/<digest>  a descriptor of a manifest that refers to another one
    mirrored/<name>/_<tag>                         the digest that a tag of another registry led to

Blobs come first, then what names them; so whoever sees a manifest finds all that it leads to. Names, tags and digests
are checked before they come here. Where garbage is collected, `publishing` is how to write all but a removal.
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
    """What is told of a manifest that refers to another: its descriptor."""

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
    """One repository of a bucket. Whatever it tells is as the bucket is now; nothing is remembered."""

    bucket: SharedBucket
    name: str

    def exists(self) -> bool:
        """Whether anything was ever pushed here."""
        return next(self.bucket.list(f"{REPOSITORIES}{self.name}/_"), None) is not None

    def blob(self, digest: Digest) -> int | None:
        """The size of a blob that this repository has."""
        if self.bucket.get(self.at(BLOBS, digest)) is None:
            return None
        item = self.bucket.find(blob_name(digest))
        return item.size if item else None

    def link(self, digest: Digest) -> None:
        """Says that this repository has a blob, which is in the bucket."""
        self.bucket.put(self.at(BLOBS, digest), b"")

    def unlink(self, digest: Digest) -> bool:
        """Says that it has the blob no more; False if it had not. The bytes may belong to others, and stay."""
        return self._remove(self.at(BLOBS, digest))

    def manifest(self, digest: Digest) -> Manifest | None:
        """A manifest; one that was damaged counts as none."""
        data = self.bucket.get(self.at(MANIFESTS, digest))
        if data is None:
            return None
        media_type, _, body = data.partition(b"\n")
        return Manifest(digest, media_type.decode(), body) if is_digest_of(digest, body) else None

    def has_manifest(self, digest: Digest) -> bool:
        """Whether the manifest is there, as far as a look can tell."""
        return self.bucket.find(self.at(MANIFESTS, digest)) is not None

    def put_manifest(self, manifest: Manifest) -> None:
        """Stores a manifest, when all that it leads to is there."""
        self.bucket.put(self.at(MANIFESTS, manifest.digest), manifest.media_type.encode() + b"\n" + manifest.data)

    def delete_manifest(self, digest: Digest) -> bool:
        """Removes the tags that lead to a manifest, and then it; False if it was not there."""
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
        """Makes a tag lead to a manifest, which is there."""
        self.bucket.put(self.at(TAGS, tag), digest.encode())

    def delete_tag(self, tag: str) -> bool:
        """Removes a tag, and not the manifest; False if it was not there."""
        return self._remove(self.at(TAGS, tag))

    def tags(self) -> Iterator[str]:
        """All tags, sorted."""
        prefix = self.at(TAGS, "")
        for item in self.bucket.list(prefix):
            yield item.name.removeprefix(prefix)

    def refer(self, subject: Digest, referrer: Referrer) -> None:
        """Says that a manifest refers to `subject`, which need not be there."""
        self.bucket.put(self._referrer(subject, referrer.digest), msgspec.json.encode(referrer))

    def refer_no_more(self, subject: Digest, digest: Digest) -> None:
        """Takes that back."""
        self.bucket.delete(self._referrer(subject, digest))

    def referrers(self, subject: Digest) -> Iterator[Referrer]:
        """The manifests that refer to `subject`, sorted by digest."""
        return filter(None, (self.referrer(subject, digest) for digest in self.referring(subject)))

    def referring(self, subject: Digest) -> Iterator[Digest]:
        """Their digests alone."""
        prefix = f"{self.at(REFERRERS, subject)}/"
        for item in self.bucket.list(prefix):
            yield file_digest(item.name.removeprefix(prefix))

    def referrer(self, subject: Digest, digest: Digest) -> Referrer | None:
        """What is told of a manifest that refers to `subject`."""
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
    """How names of items write a digest."""
    return digest.replace(":", "-", 1)


def note(repository: str, of: str) -> str:
    """What notes about a digest or tag of a repository are called.

    No part of a repository's name begins with `_`, so no repository is in the way of what is noted of another.
    """
    return f"{repository}/_{digest_file(of)}"


def noted(name: str) -> tuple[str, str]:
    """The repository that a note is about, and how the digest or tag is written there."""
    repository, _, of = name.rpartition("/_")
    return repository, of


def file_digest(file: str) -> Digest:
    """The digest that was written so."""
    return Digest(file.replace("-", ":", 1))
