"""The server collects garbage by itself, and keeps running if that fails."""

import asyncio

import pytest

from lamella.cache.bucket import Memory
from lamella.cache.collect import Report
from lamella.errors import LamellaError
from lamella.server import garbage
from lamella.server.garbage import Garbage, collect_now_and_then


def test_it_is_collected_as_often_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    collected: list[object] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            raise asyncio.CancelledError

    def collect(bucket: object, _rules: object) -> Report:
        collected.append(bucket)
        if len(collected) == 2:
            raise LamellaError("somebody else is at it")
        return Report(())

    monkeypatch.setattr(garbage, "collect", collect)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    bucket = Memory()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(collect_now_and_then(bucket, Garbage(every_hours=2)))
    assert slept == [7200.0] * 4
    assert collected == [bucket] * 3


def test_it_is_not_where_nobody_asks_for_it() -> None:
    asyncio.run(collect_now_and_then(Memory(), Garbage()))
