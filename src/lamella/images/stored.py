"""Layers whose bytes are in a file: a blob of a layout, or a range of an archive.

Other programs wrote these files, and may have changed them since. So all bytes are hashed while they are read, and an
error is raised before the end if they do not match the digest.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from lamella.errors import LamellaError
from lamella.oci import media
from lamella.oci.decompress import Decompressor
from lamella.oci.digest import Digest, DigestError, encoded, hasher
from lamella.oci.image import Body, Buffer, Layer, Record, Sink
from lamella.oci.wire import History, ImageConfig
from lamella.staging import StorageError

LONGEST_DOCUMENT = 4 << 20
"""Registries do not accept longer manifests."""

_BLOCK = 1 << 20


class ImageError(LamellaError):
    """This is not an image, or not the requested one."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Extent:
    """`size` bytes of a file, starting at `offset`; errors call them `origin`."""

    origin: str
    open: Callable[[], BinaryIO]
    offset: int
    size: int

    def blocks(self) -> Iterator[Buffer]:
        """Yield all bytes. A block is only valid until the next one."""
        buffer = memoryview(bytearray(min(_BLOCK, self.size)))
        at, end = self.offset, self.offset + self.size
        try:
            with self.open() as file:
                while at < end:
                    count = os.preadv(file.fileno(), [buffer[: end - at]], at)
                    if not count:
                        raise ImageError(f"{self.origin} is cut short")
                    yield buffer[:count]
                    at += count
        except OSError as error:
            raise StorageError(f"cannot read {self.origin}: {error.strerror or error}") from error

    def start(self, count: int) -> bytes:
        """Return the first bytes, at most `count`."""
        return b"".join(map(bytes, replace(self, size=min(count, self.size)).blocks()))

    def document(self) -> bytes:
        """Return all bytes, if they are few enough for a document."""
        if self.size > LONGEST_DOCUMENT:
            raise ImageError(f"{self.origin} has {self.size} bytes, which is too large for a document of an image")
        return b"".join(map(bytes, self.blocks()))


class Files(Protocol):
    """The files of a layout, in a folder or an archive."""

    def find(self, name: str) -> Extent:
        """Return the file `name`; raise an `ImageError` if it does not exist."""

    def holds(self, name: str) -> bool:
        """Whether the file `name` exists."""


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """The bytes of the layer in `record`, in the file `name`."""

    files: Files
    name: str
    record: Record

    def blob(self, sink: Sink) -> None:
        """Pass the blob to `sink`; raise an error before the end if it is damaged."""
        extent = self.files.find(self.name)
        digest, size = self.record.digest, self.record.size
        if extent.size != size:
            raise DigestError(f"{extent.origin} has {extent.size} bytes instead of {size}; fetch the image again")
        hashed = hasher(digest)
        for block in extent.blocks():
            hashed.update(block)
            sink(block)
        _check(digest, hashed.hexdigest(), extent.origin)

    def tar(self, sink: Sink) -> None:
        """Pass the tar in the blob to `sink`; raise an error before the end if either is damaged."""
        unpack(self.record, self.blob, sink, self.files.find(self.name).origin)


def unpack(record: Record, blob: Body, sink: Sink, origin: str) -> None:
    """Pass the tar in the blob of `record` to `sink`; raise an error before the end if it is damaged."""
    if record.digest == record.diff_id:
        blob(sink)
        return
    hashed = hasher(record.diff_id)

    def take(block: Buffer) -> None:
        hashed.update(block)
        sink(block)

    with Decompressor(media.compression(record.media_type), take, origin) as plain:
        blob(plain.write)
    _check(record.diff_id, hashed.hexdigest(), f"the tar in {origin}")


def layer_at(files: Files, name: str, record: Record, history: History, annotations: dict[str, str]) -> Layer:
    """Return the layer of `record`, whose bytes are in the file `name`."""
    return Layer(record, StoredBytes(files, name, record), history=history, annotations=annotations)


def layer_history(config: ImageConfig, comment: str = "") -> list[History]:
    """Return one entry per layer; only `comment` if the config's history has a different number."""
    told = [entry for entry in config.history if not entry.empty_layer]
    count = len(config.rootfs.diff_ids)
    return told if len(told) == count else [History(comment=comment)] * count


def _check(digest: Digest, found: str, origin: str) -> None:
    if found != encoded(digest):
        raise DigestError(f"{origin} is damaged: it should be {digest} and is {found}; fetch the image again")
