"""Decompresses a stream of any supported kind, block by block, in bounded memory.

Layers and archives may consist of several gzip members or zstd frames, some of them empty, and a small block may
expand to gigabytes. So output is passed on in pieces of limited size, and nothing is kept.
"""

import bz2
import lzma
import sys
from collections.abc import Callable, Mapping
from typing import Protocol, Self, cast

from isal import igzip_lib

from lamella.errors import LamellaError
from lamella.oci.image import Buffer, Sink

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC_SIZE = 6
_PIECE = 1 << 20
_TAKEN = 32 << 10
"""How much an engine gets at once: at the end of each member it copies the rest."""
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}


class DecompressError(LamellaError):
    """A compressed stream is damaged, or of an unsupported kind."""

    exit_code = 4


_FAULTS = (cast("type[Exception]", igzip_lib.IsalError), zstd.ZstdError, lzma.LZMAError, OSError, ValueError)
"""isal declares its error as an instance; bz2 has no error of its own."""
_MEMORY = 256 << 20
"""How much memory an xz stream may use; `xz -9` needs a quarter of it."""


class _Engine(Protocol):
    """What the libraries have in common; one engine reads one gzip member or zstd frame."""

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def compression_of(start: bytes) -> str:
    """Return the compression whose streams start like this: `gzip`, `zstd`, an unsupported one, or `none`."""
    if start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50:
        return "zstd"
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "none")


_IN_LAYERS: Mapping[str, Callable[[], _Engine]] = {
    "gzip": lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
    "zstd": zstd.ZstdDecompressor,
}
IN_PACKAGES: Mapping[str, Callable[[], _Engine]] = {
    **_IN_LAYERS,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_MEMORY),
    "bzip2": bz2.BZ2Decompressor,
}


class Decompressor:
    """Takes compressed blocks and passes plain ones to `sink`. As a context manager it calls `finish` itself."""

    def __init__(
        self, compression: str, sink: Sink, origin: str, kinds: Mapping[str, Callable[[], _Engine]] = _IN_LAYERS
    ) -> None:
        if compression not in ("none", *kinds):
            readable = " and ".join(kinds)
            raise DecompressError(f"{origin} is compressed with {compression}; only {readable} are supported")
        self._start = kinds.get(compression)
        self._compression = compression
        self._sink = sink
        self._origin = origin
        self._engine: _Engine | None = None
        self._members = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.finish()

    def finish(self) -> None:
        """Raise an error if the stream was not complete."""
        if self._start and (self._engine or not self._members):
            raise DecompressError(f"{self._origin} is cut short")

    def write(self, block: Buffer) -> None:
        """Take the next compressed bytes."""
        if self._start is None:
            self._sink(block)
            return
        whole = memoryview(block).cast("B")
        for at in range(0, len(whole), _TAKEN):
            data = bytes(whole[at : at + _TAKEN])
            while data:
                self._engine = self._engine or self._start()
                data = self._feed(data, self._engine)

    def _feed(self, data: bytes, engine: _Engine) -> bytes:
        """Pass `data` to the current member; return what comes after its end."""
        while True:
            try:
                piece = engine.decompress(data, _PIECE)
            except _FAULTS as error:
                raise DecompressError(f"{self._origin} is not valid {self._compression}: {error}") from error
            if piece:
                self._sink(piece)
            if engine.eof:
                self._engine = None
                self._members += 1
                return engine.unused_data
            if engine.needs_input:
                return b""
            data = b""
