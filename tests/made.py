"""Images made in memory, for tests that need some."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from backports import zstd

from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.image import Image, Layer, Record, Sink, image_of
from lamella.oci.wire import History, ImageConfig, RootFs, RuntimeConfig

MEDIA_TYPES = {"none": media.LAYER, "gzip": media.LAYER_GZIP, "zstd": media.LAYER_ZSTD}


def pack(data: bytes, compression: str) -> bytes:
    """Compress `data`, as a stream of two members if possible."""
    if compression == "none":
        return data
    half = len(data) // 2
    if compression == "gzip":
        return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    return zstd.compress(data[:half]) + zstd.compress(data[half:])


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of `files`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@dataclass
class Held:
    """A layer's bytes in memory; `asked` counts how often they were read."""

    tar_bytes: bytes
    blob_bytes: bytes
    block: int = 1000
    asked: int = 0

    def blob(self, sink: Sink) -> None:
        self._give(self.blob_bytes, sink)

    def tar(self, sink: Sink) -> None:
        self._give(self.tar_bytes, sink)

    def _give(self, data: bytes, sink: Sink) -> None:
        self.asked += 1
        buffer = bytearray(self.block)
        for at in range(0, len(data), self.block):
            piece = data[at : at + self.block]
            buffer[: len(piece)] = piece
            sink(memoryview(buffer)[: len(piece)])
        buffer[:] = b"\xff" * self.block


def layer_of(tar: bytes, compression: str = "gzip", name: str = "") -> Layer:
    blob = pack(tar, compression)
    record = Record(sha256(tar), len(tar), sha256(blob), len(blob), MEDIA_TYPES[compression])
    return Layer(record, Held(tar, blob), name, History(created="1970-01-01T00:00:00Z", created_by=name or "a test"))


def held(layer: Layer) -> Held:
    assert isinstance(layer.content, Held)
    return layer.content


def image_with(*layers: Layer, entrypoint: tuple[str, ...] = (), architecture: str = "amd64") -> Image:
    config = ImageConfig(
        created="1970-01-01T00:00:00Z",
        architecture=architecture,
        os="linux",
        config=RuntimeConfig(entrypoint=list(entrypoint) or None),
        rootfs=RootFs(diff_ids=[layer.record.diff_id for layer in layers]),
        history=[layer.history for layer in layers],
    )
    return image_of(config, layers)


def sample(architecture: str = "amd64", *compressions: str) -> Image:
    """An image of a few small layers, one of which occurs twice."""
    kinds = compressions or ("gzip", "zstd", "none")
    layers = [
        layer_of(tar_of({f"file {i}": f"content {i}".encode() * 500}), kind, f"layer {i}")
        for i, kind in enumerate(kinds)
    ]
    return image_with(*layers, layers[0], architecture=architecture)


def blob_bytes(layer: Layer) -> bytes:
    """The layer's blob, read through its content."""
    return collected(layer.content.blob)


def collected(give: object) -> bytes:
    """All bytes that a `blob` or `tar` function gives."""
    out = bytearray()
    assert callable(give)
    give(out.extend)
    return bytes(out)
