"""Compressors, in one table, each with the identity that becomes part of a layer's key.

Equal input in equal blocks gives equal bytes, however many cores there are: one thread compresses a stream. The bytes
may differ between versions of a library, so the identity includes the version.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
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
    """There is no compressor of that name."""

    exit_code = 2


class Stream(Protocol):
    """A stream that is being compressed."""

    def compress(self, data: memoryview, /) -> Buffer: ...

    def flush(self) -> bytes: ...


@dataclass(frozen=True)
class Compressor:
    """`start` begins a stream, which must be given full blocks; it imports the library."""

    name: str
    media_type: str
    start: Callable[[], Stream]
    _identify: Callable[[], str]

    @property
    def identity(self) -> str:
        """Algorithm, level, mode, block size and library version: everything the bytes depend on."""
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
    stream: Stream = _zstd_library().ZstdCompressor(_ZSTD_LEVEL)
    return stream


def _zstd_identity() -> str:
    return f"zstd level {_ZSTD_LEVEL}, one stream, libzstd {_zstd_library().zstd_version}"


def _zstd_library() -> ModuleType:
    """The standard library's module, or before Python 3.14 its backport."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


COMPRESSORS = {
    compressor.name: compressor
    for compressor in (
        Compressor(PLAIN, media.LAYER, _Plain, lambda: PLAIN),
        Compressor("gzip", media.LAYER_GZIP, _gzip, _gzip_identity),
        Compressor("zstd", media.LAYER_ZSTD, _zstd, _zstd_identity),
    )
}


def compressor(name: str) -> Compressor:
    """Return the compressor with that name."""
    if name not in COMPRESSORS:
        raise CompressionError(f"there is no compression {name!r}; there are {', '.join(COMPRESSORS)}")
    return COMPRESSORS[name]
