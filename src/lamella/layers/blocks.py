"""Blocks of one fixed size, filled in place and passed on without a copy.

    put, room/advance --> [ block ] --swap--> hash and compress
                             ^------ a block to fill next

Some compressors give different bytes when the same input comes in different pieces. So everything that is compressed
comes from here: every block but the last is full.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Self

from lamella.oci.image import Buffer, Sink

BLOCK = 1 << 20
_IN_FLIGHT = 3

_SPARE: SimpleQueue[memoryview] = SimpleQueue()
"""Blocks for the next stream. Freeing them instead would fragment the heap, which would grow several times as large."""

Swap = Callable[[memoryview], memoryview]
"""Takes a filled block, or the filled part of the last one, and returns a whole block to fill next."""


def one_block(sink: Sink) -> Swap:
    """Fill the same block over and over; `sink` must be done with it when it returns."""
    whole = memoryview(bytearray(BLOCK))

    def swap(filled: memoryview) -> memoryview:
        if filled:
            sink(filled)
        return whole

    return swap


def _block() -> memoryview:
    try:
        return _SPARE.get_nowait()
    except Empty:
        return memoryview(bytearray(BLOCK))


class Blocks:
    """Takes bytes of any length, and passes blocks of `BLOCK` bytes to `swap`."""

    def __init__(self, swap: Swap) -> None:
        self._swap = swap
        self._block = swap(memoryview(b""))
        self._filled = 0

    def put(self, data: Buffer) -> None:
        """Take the next bytes."""
        end = self._filled + len(data)
        if end < BLOCK:
            self._block[self._filled : end] = data
            self._filled = end
            return
        rest = memoryview(data)
        while rest:
            room = self.room(len(rest))
            room[:] = rest[: len(room)]
            self.advance(len(room))
            rest = rest[len(room) :]

    def room(self, most: int) -> memoryview:
        """Return room for at least one and at most `most` bytes. Call `advance` with how many were filled in."""
        return self._block[self._filled : self._filled + most]

    def advance(self, count: int) -> None:
        """Take the next `count` bytes from the room."""
        self._filled += count
        if self._filled == BLOCK:
            self._block = self._swap(self._block)
            self._filled = 0

    def end(self) -> None:
        """Pass on what is left."""
        if self._filled:
            self._swap(self._block[: self._filled])
            self._filled = 0


class Relay:
    """Passes blocks to a second thread, which works on them while the next ones are filled.

    The thread starts when the first block is full, so short streams need none. Its errors are raised by the next `swap`
    or at the end. If either side fails, the other stops; leaving the context waits for the thread.
    """

    def __init__(self, work: Callable[[memoryview], object]) -> None:
        self._work = work
        self._full: SimpleQueue[memoryview | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._blocks: list[memoryview] = []
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error and not self._error:
            self._error = error
        if self._thread:
            self._full.put(None)
            self._thread.join()
        for block in self._blocks:
            _SPARE.put(block)
        if self._error and not error:
            raise self._error

    def swap(self, filled: memoryview) -> memoryview:
        """Pass on a filled block; wait only if all blocks are in flight."""
        if len(filled) == BLOCK:
            if not self._thread:
                thread = threading.Thread(target=self._run, daemon=True)
                thread.start()
                self._thread = thread
            self._full.put(filled)
        elif filled:
            self._finish(filled)
        if self._error:
            raise self._error
        if len(self._blocks) < _IN_FLIGHT:
            self._blocks.append(_block())
            return self._blocks[-1]
        return self._free.get()

    def _finish(self, filled: memoryview) -> None:
        if self._thread:
            self._full.put(filled)
        else:
            self._work(filled)

    def _run(self) -> None:
        while (filled := self._full.get()) is not None:
            if not self._error:
                try:
                    self._work(filled)
                except BaseException as error:
                    self._error = error
            self._free.put(filled)
