"""The log of a build, which can be read while the build runs: `logs/<name>` in the bucket."""

import asyncio
import contextlib
import re

from lamella.cache.bucket import SharedBucket
from lamella.errors import LamellaError

_LONGEST = 1 << 20
STEADY = _LONGEST // 2
"""This many of the first bytes of a log never change while it grows."""
_EVERY = 1.0
_COLOURS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_CUT = b"... (lines are left out here)\n"


def log_name(name: str) -> str:
    """Return the name of the item that holds a log."""
    return f"logs/{name}"


class Log:
    """Lines that are added while this is open. They are in the bucket a second later, and all of them at the end.

    Of a long log, only the first and the last part are kept.
    """

    def __init__(self, bucket: SharedBucket, name: str) -> None:
        self._bucket = bucket
        self._name = log_name(name)
        self._first = bytearray()
        self._last = bytearray()
        self._is_new = False

    def add(self, line: bytes) -> None:
        """Add a line, without its colours."""
        self._is_new = True
        line = _COLOURS.sub(b"", line)
        if len(self._first) < STEADY:
            self._first += line
            return
        self._last += line
        if len(self._last) > _LONGEST:
            del self._last[: len(self._last) - STEADY]

    async def __aenter__(self) -> "Log":
        self._ended = asyncio.Event()
        self._writing = asyncio.create_task(self._write_now_and_then())
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._ended.set()  # a cancelled write would go on in its thread, and could replace the last one
        await self._writing
        await self._write()

    async def _write_now_and_then(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _EVERY)
            await self._write()

    async def _write(self) -> None:
        if self._is_new:
            self._is_new = False
            between = _CUT if len(self._last) >= STEADY else b""
            data = bytes(self._first) + between + bytes(self._last[-STEADY:])
            with contextlib.suppress(LamellaError):  # the build goes on without a log
                await asyncio.to_thread(self._bucket.put, self._name, data)
