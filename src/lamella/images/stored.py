"""Layers whose bytes lie in a file: a blob of a layout, or a stretch of an archive.

What lies there was written by others, and may have changed since it was looked at. So every byte is hashed while it
streams, and whoever takes the stream learns before its end if it is not what its digest says.
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
"""Registries take no longer manifests, so nobody has them."""

_BLOCK = 1 << 20


class ImageError(LamellaError):
    """What is read is not an image, or not the one that was asked for."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Extent:
    """`size` bytes of a file from `offset` on; `origin` is how people name them."""

    origin: str
    open: Callable[[], BinaryIO]
    offset: int
    size: int

    def blocks(self) -> Iterator[Buffer]:
        """All the bytes. A block is only valid until the next."""
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
        """The first bytes, up to `count` of them."""
        return b"".join(map(bytes, replace(self, size=min(count, self.size)).blocks()))

    def document(self) -> bytes:
        """The bytes at once, if they are few enough to be a document's."""
        if self.size > LONGEST_DOCUMENT:
            raise ImageError(f"{self.origin} has {self.size} bytes; no document of an image is that long")
        return b"".join(map(bytes, self.blocks()))


class Files(Protocol):
    """The files of a layout, wherever they are."""

    def find(self, name: str) -> Extent:
        """The file `name`; an `ImageError` if it is not there."""

    def holds(self, name: str) -> bool:
        """Whether there is a file `name`."""


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """The bytes of the layer of which `record` tells, in the file `name`."""

    files: Files
    name: str
    record: Record

    def blob(self, sink: Sink) -> None:
        """The blob; damage is found out before the end."""
        extent = self.files.find(self.name)
        digest, size = self.record.digest, self.record.size
        if extent.size != size:
            raise DigestError(f"{extent.origin} has {extent.size} bytes, and {size} are {digest}; get the image anew")
        hashed = hasher(digest)
        for block in extent.blocks():
            hashed.update(block)
            sink(block)
        _check(digest, hashed.hexdigest(), extent.origin)

    def tar(self, sink: Sink) -> None:
        """The tar in the blob; damage of either is found out before the end."""
        unpack(self.record, self.blob, sink, self.files.find(self.name).origin)


def unpack(record: Record, blob: Body, sink: Sink, origin: str) -> None:
    """The tar in the blob of which `record` tells; damage is found out before the end."""
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
    """The layer of which `record` tells, in the file `name`."""
    return Layer(record, StoredBytes(files, name, record), history=history, annotations=annotations)


def layer_history(config: ImageConfig, comment: str = "") -> list[History]:
    """One entry for each layer; no more than `comment` if the config does not tell of exactly these."""
    told = [entry for entry in config.history if not entry.empty_layer]
    count = len(config.rootfs.diff_ids)
    return told if len(told) == count else [History(comment=comment)] * count


def _check(digest: Digest, found: str, origin: str) -> None:
    if found != encoded(digest):
        raise DigestError(f"{origin} is damaged: it should be {digest} and is {found}; get the image anew")
