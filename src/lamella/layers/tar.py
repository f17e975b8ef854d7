"""The tar writer: turns entries into an archive, byte for byte the same as nix2container makes of these files.

For small files Python's overhead counts, so each takes one `open`, one `read`, one `close` and one copy. Large files
are read straight into the block that is hashed and compressed. One byte more than expected is requested, to detect
files that have grown.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from lamella.errors import LamellaError, shown
from lamella.layers.blocks import BLOCK, Blocks, one_block
from lamella.layers.header import UNIT, header
from lamella.oci.image import Sink
from lamella.package import Entry, Kind

END = bytes(2 * UNIT)
_PADDING = bytes(UNIT)
_SMALL = 64 << 10
_HOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class TarError(LamellaError):
    """A file cannot be put into a layer."""

    exit_code = 3


def write(entries: Iterator[Entry], sink: Sink) -> None:
    """Write the archive of `entries` to `sink` in blocks of `BLOCK` bytes; the last one is shorter."""
    blocks = Blocks(one_block(sink))
    fill(entries, blocks)
    blocks.end()


def size(entries: Iterable[Entry]) -> int:
    """Return the length of the archive of `entries`, without reading files."""
    return sum(map(cost, entries)) + len(END)


def cost(entry: Entry) -> int:
    """Return how many bytes `entry` takes in an archive."""
    return len(header(entry)) + (entry.size + UNIT - 1) // UNIT * UNIT


def fill(entries: Iterator[Entry], blocks: Blocks) -> None:
    """Write the archive of `entries` into `blocks`."""
    put = blocks.put
    file = Kind.FILE
    for entry in entries:
        if entry.kind is not file or not entry.size:
            put(header(entry))
        elif entry.size <= _SMALL:
            data = _small(entry, entry.content) if isinstance(entry.content, bytes) else _small_opened(entry)
            put(header(entry) + data + _PADDING[: -entry.size % UNIT])
        else:
            put(header(entry))
            if isinstance(entry.content, bytes):
                _large(entry, entry.content, blocks)
            else:
                _opened(entry, blocks)
            put(_PADDING[: -entry.size % UNIT])
    put(END)


def _small(entry: Entry, path: bytes) -> bytes:
    try:
        opened = os.open(path, _HOW)
        try:
            data = os.read(opened, entry.size + 1)
            while 0 < len(data) < entry.size and (more := os.read(opened, entry.size + 1 - len(data))):
                data += more
        finally:
            os.close(opened)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) != entry.size:
        raise _changed(path)
    return data


def _large(entry: Entry, path: bytes, blocks: Blocks) -> None:
    with _reading(path):
        opened = os.open(path, _HOW)
    try:
        left = entry.size
        while left:
            room = blocks.room(left)
            with _reading(path):
                count = os.readv(opened, (room,))
            if not count:
                raise _changed(path)
            left -= count
            blocks.advance(count)
        with _reading(path):
            more = os.read(opened, 1)
        if more:
            raise _changed(path)
    finally:
        os.close(opened)


def _small_opened(entry: Entry) -> bytes:
    data = b""
    with _open(entry) as opened, _reading(entry.path):
        while len(data) <= entry.size and (more := opened.read(entry.size + 1 - len(data))):
            data += more
    if len(data) != entry.size:
        raise _changed(entry.path)
    return data


def _opened(entry: Entry, blocks: Blocks) -> None:
    with _open(entry) as opened:
        left = entry.size
        while left >= 0:
            with _reading(entry.path):
                data = opened.read(min(left, BLOCK) or 1)
            if not data:
                break
            left -= len(data)
            blocks.put(data)
    if left:
        raise _changed(entry.path)


def _open(entry: Entry) -> BinaryIO:
    """Open a file whose bytes are not a file on this machine."""
    if not callable(entry.content):
        raise TarError(f"{shown(entry.path)} has no content: its source does not say where its bytes are")
    with _reading(entry.path):
        return entry.content()


@contextlib.contextmanager
def _reading(path: bytes) -> Iterator[None]:
    """Errors in here are about the file, not about where the bytes go."""
    try:
        yield
    except OSError as error:
        raise _unreadable(path, error) from error


def _changed(path: bytes) -> TarError:
    return TarError(f"{shown(path)} changed while it was read; build again when nothing writes to it")


def _unreadable(path: bytes, error: OSError) -> TarError:
    return TarError(f"{shown(path)} cannot be read: {error.strerror}")
