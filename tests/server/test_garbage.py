"""The server collects garbage by itself, and keeps running if that fails."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.buckets import Memory

from lamella.cache.bucket import SharedBucket
from lamella.cache.collect import Report, collect
from lamella.cache.folder import Folder
from lamella.cache.lease import Lease
from lamella.errors import LamellaError
from lamella.server import garbage
from lamella.server.garbage import Garbage, collect_now_and_then

_turn = asyncio.sleep


class Clock:
    """A clock that moves only during sleeps; after so many hours, a sleep is cancelled."""

    def __init__(self, hours: float) -> None:
        self.now = 1e9
        self._end = self.now + hours * 3600

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 3600
        await _turn(0)
        self.now += seconds
        if self.now > self._end:
            raise asyncio.CancelledError


async def at_once(work: Callable[..., object], *values: object) -> object:
    """In place of a thread: the clock does not move meanwhile."""
    return work(*values)


def served(bucket: SharedBucket, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(collect_now_and_then(bucket, Garbage(every_hours=2), clock.time))


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    found: list[object] = []

    def collect(bucket: object, _rules: object) -> Report:
        found.append(bucket)
        return Report(())

    monkeypatch.setattr(garbage, "collect", collect)
    return found


def test_it_is_collected_as_often_as_the_settings_say(collected: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Memory()
    served(bucket, monkeypatch, Clock(hours=5))
    assert collected == [bucket] * 3


def test_servers_that_share_a_bucket_do_it_as_often_together(
    collected: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, clock = Memory(), Clock(hours=5)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    monkeypatch.setattr(asyncio, "to_thread", at_once)

    async def run() -> None:
        servers = (collect_now_and_then(bucket, Garbage(every_hours=2), clock.time) for _ in range(3))
        await asyncio.gather(*servers, return_exceptions=True)

    asyncio.run(run())
    assert len(collected) == 3


def test_a_server_that_is_started_again_and_again_does_it_too(
    collected: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, clock = Memory(), Clock(hours=0)
    for _ in range(13):
        served(bucket, monkeypatch, clock)
    assert len(collected) == 2


@pytest.mark.parametrize("error", [LamellaError("somebody else is at it"), ValueError("a bug")])
def test_a_failure_is_logged_and_it_is_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[object] = []

    def collect(bucket: object, _rules: object) -> Report:
        tried.append(bucket)
        if len(tried) < 3:
            raise error
        return Report(())

    monkeypatch.setattr(garbage, "collect", collect)
    served(Memory(), monkeypatch, Clock(hours=1))
    assert len(tried) == 3
    assert [str(error) in caplog.text, len(caplog.records)] == [True, 2]


def test_collecting_keeps_the_time_of_the_last_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Memory()
    served(bucket, monkeypatch, Clock(hours=0))
    before = [item.name for item in bucket.list()]
    collect(bucket, Garbage().rules(), now=4e9)
    assert "gc/collected" in before
    assert [item.name for item in bucket.list()] == before


def test_a_time_that_cannot_be_read_does_not_stop_it(collected: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Memory()
    bucket.create("gc/collected", b"{half")
    served(bucket, monkeypatch, Clock(hours=1))
    assert len(collected) == 1


KILLED = """\
import os, pathlib, sys
from lamella.cache.folder import Folder
from lamella.server import garbage
garbage.collect = lambda *_: os.kill(os.getpid(), 9)
garbage._collect_if_due(Folder(pathlib.Path(sys.argv[1])), garbage.Garbage(every_hours=2), 1e9)
"""


def test_a_collection_that_was_killed_is_made_up_for_soon(
    collected: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False).returncode == -9
    served(Folder(tmp_path), monkeypatch, Clock(hours=0.5))
    assert len(collected) == 1


def test_a_collection_that_goes_on_is_left_alone(
    collected: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    bucket = Folder(tmp_path)
    with Lease(bucket):
        served(bucket, monkeypatch, Clock(hours=5))
    assert not collected


def test_it_is_not_where_nobody_asks_for_it() -> None:
    asyncio.run(collect_now_and_then(Memory(), Garbage()))
