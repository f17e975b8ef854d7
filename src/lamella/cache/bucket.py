"""Buckets: named bytes. A folder is one (`folder`), object stores are others (`objects`).

We make names from hashes and checked names, with `/` between parts. Writes are atomic, so several processes can share
a bucket without a lock: the last write wins, and equal names have equal meaning. Where that is not so, `create` and
`swap` decide which of several writers comes first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self

from lamella.errors import LamellaError
from lamella.oci.image import Buffer


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a listing."""

    name: str
    size: int
    used: float
    """When it was last written or used, in seconds since the epoch."""


class Bucket(Protocol):
    """What records need: small items."""

    def get(self, name: str) -> bytes | None:
        """Return the bytes under `name`, or None."""

    def put(self, name: str, data: bytes) -> None:
        """Store `data` under `name`, whole or not at all."""

    def list(self, prefix: str = "") -> Iterator[Item]:
        """Yield all items whose name starts with `prefix`, sorted by name."""

    def delete(self, name: str) -> None:
        """Remove `name`; it may be gone already."""


class StagedItem(Protocol):
    """Bytes on their way into a bucket, not visible to anyone; leaving without `commit` discards them."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def write(self, block: Buffer, /) -> object:
        """Take the next bytes."""

    def commit(self, name: str) -> None:
        """Make what was written the item `name`, once."""


class SharedBucket(Bucket, Protocol):
    """What the replicas of a server share: also large items, and some that only one of them may write."""

    def create(self, name: str, data: bytes) -> bool:
        """Store `data` if nothing is under `name`; return False if another writer was first."""

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        """Store `after` if `before` is under `name`; return False if not. Such a name must not be written by `put`."""

    def find(self, name: str) -> Item | None:
        """Return the entry that a listing would have for `name`, or None."""

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        """Yield `count` bytes from `start`, which must be within the item; a `MissingError` if it does not exist."""

    def stage(self) -> StagedItem:
        """Return a place for an item whose name may not be known until all of it has passed."""

    def move(self, name: str, to: str) -> None:
        """Rename an item."""

    def file(self, name: str) -> Path | None:
        """Return the item's file if items are files, otherwise None. The file must not be written to."""

    def signed(self, name: str, valid: timedelta) -> str | None:
        """Return an address at which anyone can read the item for that long, or None if there are no such addresses."""


class MissingError(LamellaError):
    """An item is not in the bucket, or no longer."""

    exit_code = 5
