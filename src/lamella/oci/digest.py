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


def parse_sha256(text: str) -> Digest:
    """`text` as a digest that images may use here; sha512 is refused before anything is read or sent."""
    if text.startswith("sha512:"):
        raise DigestError(f"{text[:20]}... is a sha512 digest; lamella supports only images that use sha256")
    return parse_digest(text)


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
    """Bytes that passed by: how many they were, and their sha256."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0

    def add(self, block: bytes | bytearray | memoryview) -> None:
        """Counts the next bytes."""
        self._hash.update(block)
        self._size += memoryview(block).nbytes

    def check(self, digest: Digest, size: int) -> None:
        """A `DigestError` if they are not what they are said to be."""
        parse_sha256(digest)
        if (self._hash.hexdigest(), self._size) != (encoded(digest), size):
            raise DigestError(f"{self._size} bytes were written as {digest} of {size} bytes, and are something else")


def is_digest_of(digest: Digest, data: bytes) -> bool:
    """Whether `digest` is that of `data`."""
    hashed = hasher(digest)
    hashed.update(data)
    return hashed.hexdigest() == encoded(digest)
