"""Images by name in a bucket: what a registry knows.

    layers/<hex>                                   blobs, each once, whoever has it
    repositories/<name>/_blobs/<digest>            that this repository has the blob
    repositories/<name>/_manifests/<digest>        a manifest: its media type, a line break, its bytes
    repositories/<name>/_tags/<tag>                the digest that the tag leads to
    repositories/<name>/_referrers/<digest>/<digest>  a descriptor of a manifest that refers to another one

Blobs come first, then what names them; so whoever sees a manifest finds all that it leads to. Names, tags and digests
are checked before they come here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.oci.digest import Digest, encoded, is_digest_of

_ROOT = "repositories/"
_BLOBS, _MANIFESTS, _TAGS, _REFERRERS = "_blobs", "_manifests", "_tags", "_referrers"


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
    yield from sorted({item.name.removeprefix(_ROOT).partition("/_")[0] for item in bucket.list(_ROOT)})


@dataclass(frozen=True)
class Repository:
    """One repository of a bucket. Whatever it tells is as the bucket is now; nothing is remembered."""

    bucket: SharedBucket
    name: str

    def exists(self) -> bool:
        """Whether anything was ever pushed here."""
        return next(self.bucket.list(f"{_ROOT}{self.name}/_"), None) is not None

    def blob(self, digest: Digest) -> int | None:
        """The size of a blob that this repository has."""
        if self.bucket.get(self._at(_BLOBS, digest)) is None:
            return None
        item = self.bucket.find(blob_name(digest))
        return item.size if item else None

    def link(self, digest: Digest) -> None:
        """Says that this repository has a blob, which is in the bucket."""
        self.bucket.put(self._at(_BLOBS, digest), b"")

    def unlink(self, digest: Digest) -> bool:
        """Says that it has the blob no more; False if it had not. The bytes may belong to others, and stay."""
        return self._remove(self._at(_BLOBS, digest))

    def manifest(self, digest: Digest) -> Manifest | None:
        """A manifest; one that was damaged counts as none."""
        data = self.bucket.get(self._at(_MANIFESTS, digest))
        if data is None:
            return None
        media_type, _, body = data.partition(b"\n")
        return Manifest(digest, media_type.decode(), body) if is_digest_of(digest, body) else None

    def has_manifest(self, digest: Digest) -> bool:
        """Whether the manifest is there, as far as a look can tell."""
        return self.bucket.find(self._at(_MANIFESTS, digest)) is not None

    def put_manifest(self, manifest: Manifest) -> None:
        """Stores a manifest, when all that it leads to is there."""
        self.bucket.put(self._at(_MANIFESTS, manifest.digest), manifest.media_type.encode() + b"\n" + manifest.data)

    def delete_manifest(self, digest: Digest) -> bool:
        """Removes a manifest, and the tags that lead to it; False if it was not there."""
        found = self._remove(self._at(_MANIFESTS, digest))
        for tag in self.tags():
            if self.tagged(tag) == digest:
                self.delete_tag(tag)
        return found

    def manifests(self) -> Iterator[Digest]:
        """The digests of all manifests."""
        prefix = self._at(_MANIFESTS, "")
        for item in self.bucket.list(prefix):
            yield _digest(item.name.removeprefix(prefix))

    def tagged(self, tag: str) -> Digest | None:
        """The digest of the manifest that a tag leads to."""
        data = self.bucket.get(self._at(_TAGS, tag))
        return Digest(data.decode()) if data else None

    def tag(self, tag: str, digest: Digest) -> None:
        """Makes a tag lead to a manifest, which is there."""
        self.bucket.put(self._at(_TAGS, tag), digest.encode())

    def delete_tag(self, tag: str) -> bool:
        """Removes a tag, and not the manifest; False if it was not there."""
        return self._remove(self._at(_TAGS, tag))

    def tags(self) -> Iterator[str]:
        """All tags, sorted."""
        prefix = self._at(_TAGS, "")
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
        for item in self.bucket.list(f"{self._at(_REFERRERS, subject)}/"):
            data = self.bucket.get(item.name)
            if data is not None:
                yield msgspec.json.decode(data, type=Referrer)

    def _referrer(self, subject: Digest, digest: Digest) -> str:
        return f"{self._at(_REFERRERS, subject)}/{_file(digest)}"

    def _at(self, kind: str, name: str) -> str:
        return f"{_ROOT}{self.name}/{kind}/{_file(name)}"

    def _remove(self, name: str) -> bool:
        found = self.bucket.find(name) is not None
        self.bucket.delete(name)
        return found


def _file(digest: str) -> str:
    return digest.replace(":", "-", 1)


def _digest(file: str) -> Digest:
    return Digest(file.replace("-", ":", 1))
