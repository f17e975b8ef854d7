"""Digests: names that follow from the bytes they name."""

import hashlib
import re
from typing import NewType

from lamella.errors import LamellaError

Digest = NewType("Digest", str)

_SHAPE = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class DigestError(LamellaError):
    """A digest is malformed, or bytes do not match their digest."""

    exit_code = 4


def parse_digest(text: str) -> Digest:
    """Return `text` as a digest, which is safe as part of a path."""
    if not _SHAPE.fullmatch(text):
        raise DigestError(f"{text!r} is not a digest (sha256: and 64 hexadecimal digits)")
    return Digest(text)


def parse_sha256(text: str) -> Digest:
    """Return `text` as a digest; refuse sha512, which images here cannot use, before anything is read or sent."""
    if text.startswith("sha512:"):
        raise DigestError(f"{text[:20]}... is a sha512 digest; lamella supports only images that use sha256")
    return parse_digest(text)


def sha256(data: bytes | bytearray) -> Digest:
    """Return the digest of `data`."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def encoded(digest: Digest) -> str:
    """Return the hexadecimal part."""
    return digest.partition(":")[2]


def hasher(digest: Digest) -> "hashlib._Hash":
    """Return a new hash of the kind of `digest`."""
    return hashlib.new(parse_digest(digest).partition(":")[0])


class Passed:
    """Counts and hashes bytes that pass; the hash is of the kind of `like`, or else sha256."""

    def __init__(self, like: Digest | None = None) -> None:
        self._hash = hasher(like) if like else hashlib.sha256()
        self.size = 0

    def add(self, block: bytes | bytearray | memoryview) -> None:
        """Count the next bytes."""
        self._hash.update(block)
        self.size += memoryview(block).nbytes

    @property
    def digest(self) -> Digest:
        """The digest of the bytes so far."""
        return Digest(f"{self._hash.name}:{self._hash.hexdigest()}")

    def check(self, digest: Digest, size: int) -> None:
        """Raise a `DigestError` unless the bytes have this digest and size."""
        parse_sha256(digest)
        if (self.digest, self.size) != (digest, size):
            raise DigestError(f"{self.size} bytes were written as {digest} of {size} bytes, which they are not")


def is_digest_of(digest: Digest, data: bytes) -> bool:
    """Whether `digest` is that of `data`."""
    hashed = hasher(digest)
    hashed.update(data)
    return hashed.hexdigest() == encoded(digest)
