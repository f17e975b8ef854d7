"""Digests: the only names that cannot lie."""

import hashlib
import re
from typing import NewType

from lamella.errors import LamellaError

Digest = NewType("Digest", str)

_SHAPE = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class DigestError(LamellaError):
    """A digest is malformed, or bytes are not what their digest says."""

    exit_code = 4


def parse_digest(text: str) -> Digest:
    """`text` as a digest, safe to become part of a path."""
    if not _SHAPE.fullmatch(text):
        raise DigestError(f"{text!r} is not a digest (sha256: and 64 hexadecimal digits)")
    return Digest(text)


def sha256(data: bytes | bytearray) -> Digest:
    """The digest of `data`."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def encoded(digest: Digest) -> str:
    """The hexadecimal part."""
    return digest.partition(":")[2]


def hasher(digest: Digest) -> "hashlib._Hash":
    """A new hash of the kind that `digest` is of."""
    return hashlib.new(parse_digest(digest).partition(":")[0])


class Passed:
    """Bytes that passed by: their number, and their digest, of the kind of `like`, or else sha256."""

    def __init__(self, like: Digest | None = None) -> None:
        self._hash = hasher(like) if like else hashlib.sha256()
        self.size = 0

    def add(self, block: bytes | bytearray | memoryview) -> None:
        """Counts the next bytes."""
        self._hash.update(block)
        self.size += memoryview(block).nbytes

    @property
    def digest(self) -> Digest:
        """What they are called by."""
        return Digest(f"{self._hash.name}:{self._hash.hexdigest()}")

    def check(self, digest: Digest, size: int) -> None:
        """A `DigestError` if they are not what they are said to be."""
        if not digest.startswith("sha256:"):
            raise DigestError(f"{digest} cannot be stored: only digests of sha256 are supported here")
        if (self.digest, self.size) != (digest, size):
            raise DigestError(f"{self.size} bytes were written as {digest} of {size} bytes, and are something else")


def is_digest_of(digest: Digest, data: bytes) -> bool:
    """Whether `digest` is that of `data`."""
    hashed = hasher(digest)
    hashed.update(data)
    return hashed.hexdigest() == encoded(digest)
