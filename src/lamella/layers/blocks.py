"""Blocks of one fixed size, filled in place and passed on without a copy.

    put, room/advance --> [ block ] --swap--> whoever hashes and compresses
                             ^------ a block to fill next

Some compressors answer with other bytes when the same input comes in other pieces. So all that is compressed comes
from here: every block is full but the last.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Self

from lamella.oci.image import Buffer, Sink

BLOCK = 1 << 20
_IN_FLIGHT = 3

_SPARE: SimpleQueue[memoryview] = SimpleQueue()
"""Blocks for the next stream. Given back to the system, they leave its heap in pieces, several times as large."""

Swap = Callable[[memoryview], memoryview]
"""Takes a filled block, or the first part of the last one, and gives a whole block to fill next."""


def one_block(sink: Sink) -> Swap:
    """Fills the same block over and over: `sink` is done with it when it returns."""
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
    """Takes bytes of any length, gives blocks of `BLOCK` bytes to `swap`."""

    def __init__(self, swap: Swap) -> None:
        self._swap = swap
        self._block = swap(memoryview(b""))
        self._filled = 0

    def put(self, data: Buffer) -> None:
        """The next bytes."""
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
        """The place for the next bytes: at least one and at most `most`. Say with `advance` how many were filled in."""
        return self._block[self._filled : self._filled + most]

    def advance(self, count: int) -> None:
        """The next `count` bytes are in `room`."""
        self._filled += count
        if self._filled == BLOCK:
            self._block = self._swap(self._block)
            self._filled = 0

    def end(self) -> None:
        """Passes on what is left."""
        if self._filled:
            self._swap(self._block[: self._filled])
            self._filled = 0


class Relay:
    """Blocks go to a second thread, which works on them while the next ones are filled.

    The thread starts when a block is full, so short streams do without it. An error there is raised from the next
    `swap`, or at the end; whichever side fails, the other stops, and leaving waits for the thread.
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
        """Passes on a filled block; waits only when all blocks are in flight."""
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
