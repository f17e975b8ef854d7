"""The log of a build is whole when the build ends, even if the bucket is slow."""

import asyncio
import time

import pytest
from tests.buckets import Memory
from tests.waiting import soon

from lamella.server.builds import log
from lamella.server.builds.log import Log, log_name


class SlowAtFirst(Memory):
    """The first item takes a while to arrive."""

    puts = 0

    def put(self, name: str, data: bytes) -> None:
        self.puts += 1
        if self.puts == 1:
            time.sleep(0.3)
        super().put(name, data)


def test_a_write_under_way_does_not_replace_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_EVERY", 0.01)
    bucket = SlowAtFirst()

    async def run() -> None:
        async with Log(bucket, "1") as lines:
            lines.add(b"first\n")
            await soon(lambda: bucket.puts, "the log is written")
            lines.add(b"last\n")

    asyncio.run(run())
    assert bucket.get(log_name("1")) == b"first\nlast\n"


def test_the_end_does_not_wait_for_the_next_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_EVERY", 60.0)
    bucket = Memory()

    async def run() -> None:
        async with Log(bucket, "1") as lines:
            lines.add(b"all\n")

    asyncio.run(asyncio.wait_for(run(), 10))
    assert bucket.get(log_name("1")) == b"all\n"
