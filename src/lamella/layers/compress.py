"""Compressors, in one table, each with the identity that a layer's key holds.

Equal input in equal blocks gives equal bytes, whatever the number of cores or threads: each stream is compressed by
one thread. Between versions of the libraries bytes may differ, so an identity names the version too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lamella.errors import LamellaError
from lamella.layers.blocks import BLOCK
from lamella.oci import media
from lamella.oci.image import Buffer

PLAIN = "none"
_GZIP = 31  # zlib's way to ask for a gzip header, which names neither file nor time
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 3


class CompressionError(LamellaError):
    """A compressor is unknown, or what should be decompressed is damaged."""

    exit_code = 4


class Stream(Protocol):
    """A compression under way."""

    def compress(self, data: memoryview, /) -> Buffer: ...

    def flush(self) -> bytes: ...


@dataclass(frozen=True)
class Compressor:
    """`start` begins a stream, which must be fed with full blocks; nothing is imported before it is called."""

    name: str
    media_type: str
    start: Callable[[], Stream]
    _identify: Callable[[], str]

    @property
    def identity(self) -> str:
        """Algorithm, level, mode, block size and library version: all that the bytes depend on."""
        return self._identify()


class _Plain:
    def compress(self, data: memoryview, /) -> Buffer:
        return data

    def flush(self) -> bytes:
        return b""


def _gzip() -> Stream:
    from isal import isal_zlib

    stream: Stream = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP)
    return stream


def _gzip_identity() -> str:
    import isal

    return f"gzip level {_GZIP_LEVEL}, one stream, blocks of {BLOCK}, isa-l {isal.ISAL_VERSION}"


def _zstd() -> Stream:
    import backports.zstd

    return backports.zstd.ZstdCompressor(_ZSTD_LEVEL)


def _zstd_identity() -> str:
    import backports.zstd

    return f"zstd level {_ZSTD_LEVEL}, one stream, libzstd {backports.zstd.zstd_version}"


COMPRESSORS = {
    compressor.name: compressor
    for compressor in (
        Compressor(PLAIN, media.LAYER, _Plain, lambda: PLAIN),
        Compressor("gzip", media.LAYER_GZIP, _gzip, _gzip_identity),
        Compressor("zstd", media.LAYER_ZSTD, _zstd, _zstd_identity),
    )
}


def compressor(name: str) -> Compressor:
    """The compressor of that name."""
    if name not in COMPRESSORS:
        raise CompressionError(f"there is no compression {name!r}; there are {', '.join(COMPRESSORS)}")
    return COMPRESSORS[name]
