"""NARs on their way into the bucket: hashed as they arrive, packed and unpacked, and invisible until they are right."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Self

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.narinfos import NARS
from lamella.cache.records import Records
from lamella.errors import LamellaError
from lamella.oci.decompress import IN_PACKAGES, Decompressor
from lamella.oci.image import Buffer
from lamella.server.nixcache.names import compression_of
from lamella.sources.nix.graph import base32


class UnfitError(LamellaError):
    """A binary cache refuses what was sent, or lacks what was requested; `status` is the HTTP status."""

    exit_code = 4

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Facts(msgspec.Struct, frozen=True):
    """The hashes and sizes of a NAR, packed and unpacked."""

    file_hash: str
    file_size: int
    nar_hash: str
    nar_size: int


class Scales:
    """Hashes the bytes of a compressed NAR and its contents, and keeps nothing."""

    def __init__(self, compression: str, largest: int, origin: str) -> None:
        self._file, self._nar = hashlib.sha256(), hashlib.sha256()
        self._file_size = self._nar_size = 0
        self._largest = largest
        self._origin = origin
        self._unpacking = Decompressor(compression, self._unpacked, origin, IN_PACKAGES)

    def write(self, block: Buffer) -> None:
        """Take the next bytes."""
        self._file.update(block)
        self._file_size += memoryview(block).nbytes
        self._unpacking.write(block)

    def finish(self) -> Facts:
        """Return the facts, when all bytes have arrived."""
        self._unpacking.finish()
        return Facts(self._file.hexdigest(), self._file_size, self._nar.hexdigest(), self._nar_size)

    def _unpacked(self, block: Buffer) -> None:
        self._nar_size += memoryview(block).nbytes
        if self._nar_size > self._largest:
            raise UnfitError(f"{self._origin} unpacks to more than {self._largest} bytes", 413)
        self._nar.update(block)


class Incoming:
    """A NAR that a client sends as `file`; it is invisible until `commit`."""

    def __init__(self, bucket: SharedBucket, file: str, largest: int) -> None:
        self._bucket = bucket
        self._file = file
        self._staged = bucket.stage()
        self._scales = Scales(compression_of(file), largest, file)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._staged)
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def write(self, block: Buffer) -> None:
        """Take the next bytes."""
        self._scales.write(block)
        self._staged.write(block)

    def commit(self) -> None:
        """Put it into the bucket, if its hash matches its name."""
        found = self._scales.finish()
        if not self._file.startswith(f"{base32(bytes.fromhex(found.file_hash))}.nar"):
            raise UnfitError(f"what was sent as {self._file} has a different hash; send it again")
        self._staged.commit(f"{NARS}{self._file}")
        _remember(self._bucket, f"{NARS}{self._file}", found)


def facts_of(bucket: SharedBucket, item: str, largest: int) -> Facts:
    """Return the facts about a NAR in the bucket, known or found out now. Raises a `MissingError` if it is missing."""
    known = Records(bucket).read(_facts(item), Facts)
    if known is None:
        known = weigh(bucket.read(item), Scales(compression_of(item), largest, item))
        _remember(bucket, item, known)
    return known


def weigh(blocks: Iterable[Buffer], scales: Scales) -> Facts:
    """Return the facts about the NAR in `blocks`."""
    for block in blocks:
        scales.write(block)
    return scales.finish()


def keep(bucket: SharedBucket, item: str, found: Facts, copy: Callable[[Callable[[Buffer], object]], object]) -> None:
    """Store a NAR with known facts; `copy` writes its bytes."""
    with bucket.stage() as staged:
        copy(staged.write)
        staged.commit(item)
    _remember(bucket, item, found)


def _remember(bucket: SharedBucket, item: str, found: Facts) -> None:
    Records(bucket).write(_facts(item), found)


def _facts(item: str) -> str:
    return f"{item}.facts"
