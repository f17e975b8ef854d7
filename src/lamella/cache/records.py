"""Records: what layers became, remembered under their keys.

    builds/<key>             diff_id, digest and sizes of a built layer
    trees/<digest>           the files of a folder package, and what a look at the folder alone can tell about them
    images/<name>/<tag>/     the last image of that name, by platform

A record contains its own digest: one that was damaged by a crash, a full disk or by hand is not trusted but removed,
and `mended` is told. One that another version of lamella wrote in a different format is removed too. Losing any of
these costs time, never correctness.
"""

import hashlib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from lamella.cache.bucket import Bucket
from lamella.oci.digest import DigestError, parse_digest
from lamella.oci.image import Record
from lamella.oci.typed import decode_as

T = TypeVar("T")


class Records:
    """Typed access to a bucket's small items."""

    def __init__(self, bucket: Bucket, mended: Callable[[str], None] = lambda _: None) -> None:
        self.bucket = bucket
        self._mended = mended

    def find(self, key: str) -> Record | None:
        """The record of the layer with that key, if there is one that can be trusted."""
        name = f"builds/{key}"
        record = self.read(name, Record)
        if record is None:
            return None
        try:
            parse_digest(record.diff_id)
            parse_digest(record.digest)
        except DigestError:
            self._mend(name)
            return None
        return record

    def save(self, key: str, record: Record) -> None:
        self.write(f"builds/{key}", record)

    def forget(self, key: str) -> None:
        """Remove a record that turned out to be wrong, if it exists."""
        name = f"builds/{key}"
        if self.bucket.get(name) is not None:
            self._mend(name)

    def read(self, name: str, kind: type[T]) -> T | None:
        """The sealed item `name` as a `kind`; None if it does not exist or cannot be trusted."""
        data = self.bucket.get(name)
        if data is None:
            return None
        seal, _, body = data.partition(b"\n")
        if seal != _seal(body):
            self._mend(name)
            return None
        try:
            return decode_as(body, kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.bucket.delete(name)  # another version of lamella wrote it
            return None

    def write(self, name: str, value: object) -> None:
        """Store `value` as the sealed item `name`."""
        body = msgspec.json.encode(value)
        self.bucket.put(name, _seal(body) + b"\n" + body)

    def _mend(self, name: str) -> None:
        self.bucket.delete(name)
        self._mended(name)


def _seal(body: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(body).hexdigest().encode()
