"""Uploads on their way into a bucket, chunk by chunk.

    uploads/<id>/session                      for which repository, and with which hash
    uploads/<id>/<start>-<end>-<hash>         a chunk that has arrived whole, and the hash of its bytes

A chunk becomes visible when all of it is there. So after a server is killed, it or another one that shares the bucket
continues after the last whole chunk. An upload of one chunk, which is what most clients send, becomes a blob by being
renamed.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.repositories import blob_name
from lamella.errors import LamellaError
from lamella.oci.digest import Digest, encoded, hasher
from lamella.oci.image import Buffer
from lamella.oci.typed import decode_as

ALGORITHMS = ("sha256", "sha512")
_SESSION = "session"
_DIGITS = 16


class UploadError(LamellaError):
    """What is uploaded does not match its digest, or does not continue where the upload stopped."""

    exit_code = 4


class Session(msgspec.Struct, frozen=True):
    """The repository that an upload is for, and the hash that its chunks are named by."""

    repository: str
    algorithm: str = ALGORITHMS[0]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that have arrived."""

    name: str
    start: int
    end: int
    hash: str


@dataclass(frozen=True)
class Upload:
    """An upload as it is now."""

    bucket: SharedBucket
    id: str
    session: Session
    chunks: tuple[Chunk, ...]

    @property
    def size(self) -> int:
        """How many bytes have arrived."""
        return self.chunks[-1].end if self.chunks else 0

    def receive(self) -> "Receiving":
        """A place for the next chunk."""
        return Receiving(self)

    def finish(self, digest: Digest) -> int:
        """Make what has arrived the blob, if it matches; return its size. The upload is removed afterwards."""
        whole = len(self.chunks) == 1 and digest == f"{self.session.algorithm}:{self.chunks[0].hash}"
        if whole:
            self.bucket.move(self.chunks[0].name, blob_name(digest))
        else:
            self._join(digest)
        with contextlib.suppress(LamellaError):  # what is left is collected as garbage
            self.cancel()
        return self.size

    def cancel(self) -> None:
        """Remove what has arrived."""
        for chunk in self.chunks:
            self.bucket.delete(chunk.name)
        self.bucket.delete(f"{_at(self.id)}{_SESSION}")

    def _join(self, digest: Digest) -> None:
        hashed = hasher(digest)
        with self.bucket.stage() as staging:
            for chunk in self.chunks:
                for block in self.bucket.read(chunk.name):
                    hashed.update(block)
                    staging.write(block)
            if hashed.hexdigest() != encoded(digest):
                raise UploadError(f"what was uploaded is not {digest}, but {hashed.name}:{hashed.hexdigest()}")
            staging.commit(blob_name(digest))


class Receiving:
    """A chunk on its way in; leaving without `commit` discards it."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._staged = upload.bucket.stage()
        self._hash = hashlib.new(upload.session.algorithm)
        self.size = 0

    def __enter__(self) -> Self:
        self._staged.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._staged.__exit__(*raised)

    def write(self, block: Buffer) -> None:
        """Take the next bytes."""
        self._hash.update(block)
        self._staged.write(block)
        self.size += len(block)

    def commit(self) -> Upload:
        """Store the chunk; return the upload with it."""
        upload = self._upload
        if not self.size:
            return upload
        start, end = upload.size, upload.size + self.size
        name = f"{_at(upload.id)}{start:0{_DIGITS}}-{end:0{_DIGITS}}-{self._hash.hexdigest()}"
        self._staged.commit(name)
        chunk = Chunk(name, start, end, self._hash.hexdigest())
        return Upload(upload.bucket, upload.id, upload.session, (*upload.chunks, chunk))


def begin(bucket: SharedBucket, repository: str, algorithm: str = ALGORITHMS[0]) -> Upload:
    """Begin a new upload."""
    upload = Upload(bucket, secrets.token_hex(16), Session(repository, algorithm), ())
    bucket.put(f"{_at(upload.id)}{_SESSION}", msgspec.json.encode(upload.session))
    return upload


def find(bucket: SharedBucket, repository: str, name: str) -> Upload | None:
    """The upload of that name to that repository, with what has arrived; None if there is none."""
    data = bucket.get(f"{_at(name)}{_SESSION}")
    if data is None:
        return None
    session = decode_as(data, Session)
    return Upload(bucket, name, session, tuple(_chunks(bucket, name))) if session.repository == repository else None


def _chunks(bucket: SharedBucket, name: str) -> Iterator[Chunk]:
    """The chunks that have arrived, without those that two clients sent at once."""
    at = 0
    for item in bucket.list(_at(name)):
        parts = item.name.removeprefix(_at(name)).split("-")
        if len(parts) == 3 and int(parts[0]) == at and int(parts[1]) == at + item.size:
            yield Chunk(item.name, at, int(parts[1]), parts[2])
            at = int(parts[1])


def _at(name: str) -> str:
    return f"uploads/{name}/"
