"""A job is done once, however many requests at however many replicas want it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from tests.buckets import Memory
from tests.waiting import soon

from lamella.cache import jobs as kept
from lamella.cache.bucket import SharedBucket
from lamella.cache.folder import Folder
from lamella.cache.jobs import SILENCE, Job
from lamella.errors import LamellaError
from lamella.server.builds import jobs as building
from lamella.server.builds.jobs import Jobs, Outcome
from lamella.staging import StorageError

T = TypeVar("T")


@pytest.fixture(params=["folder", "memory"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> SharedBucket:
    return Memory() if request.param == "memory" else Folder(tmp_path)


def counted(times: list[str], ready: Callable[[], Awaitable[object]]) -> Callable[[str], Awaitable[Outcome]]:
    async def work(log: str) -> Outcome:
        times.append(log)
        await ready()
        return Outcome(root="sha256:1")

    return work


def test_a_hundred_at_ten_replicas_get_one_result(bucket: SharedBucket) -> None:
    times: list[str] = []

    async def run() -> list[Job]:
        replicas = [Jobs(bucket, 2) for _ in range(10)]
        work = counted(times, lambda: asyncio.sleep(0.2))
        return await asyncio.gather(*(replicas[n % 10].begin("k", "a/b", work) for n in range(100)))

    done = asyncio.run(run())
    assert len(times) == 1
    assert {(job.state, job.root, job.log) for job in done} == {("done", "sha256:1", times[0])}


def test_who_gives_up_finds_the_result_later() -> None:
    times: list[str] = []

    async def run() -> Job:
        jobs, gate = Jobs(Memory(), 1), asyncio.Event()
        work = counted(times, gate.wait)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(jobs.begin("k", "a/b", work)), 0.05)
        gate.set()
        await asyncio.sleep(0.05)
        return await jobs.begin("k", "a/b", work)

    assert asyncio.run(run()).root == "sha256:1"
    assert len(times) == 1


def test_a_failure_is_told_to_all_and_forgotten_after_a_while() -> None:
    now = 1000.0
    times: list[str] = []

    async def work(log: str) -> Outcome:
        times.append(log)
        return Outcome(code="MANIFEST_UNKNOWN", message="no such package", seconds=60)

    async def run() -> None:
        nonlocal now
        jobs = Jobs(Memory(), 1, lambda: now)
        for later in (0, 59):
            now = 1000.0 + later
            job = await jobs.begin("k", "a/b", work)
            assert (job.state, job.code, job.message) == ("failed", "MANIFEST_UNKNOWN", "no such package")
        now = 1061.0
        await jobs.begin("k", "a/b", work)

    asyncio.run(run())
    assert len(times) == 2


@pytest.mark.parametrize("error", [LamellaError("a disk is full"), ValueError("a bug")])
def test_what_is_our_own_fault_is_a_failure_too(error: Exception) -> None:
    async def work(_log: str) -> Outcome:
        raise error

    async def run() -> Job:
        return await Jobs(Memory(), 1).begin("k", "a/b", work)

    job = asyncio.run(run())
    assert job.state == "failed"
    assert ("full" in job.message) == isinstance(error, LamellaError)


@pytest.mark.parametrize("is_raised", [True, False])
def test_only_the_log_says_what_the_storage_said(caplog: pytest.LogCaptureFixture, is_raised: bool) -> None:
    error = StorageError("cannot write /srv/secret/x: No space left on device")

    async def work(_log: str) -> Outcome:
        if is_raised:
            raise error
        return Outcome.of(error)

    async def run() -> Job:
        return await Jobs(Memory(), 1).begin("k", "a/b", work)

    job = asyncio.run(run())
    assert (job.state, job.code) == ("failed", "UNAVAILABLE")
    assert "secret" not in job.message
    assert "/srv/secret/x" in caplog.text


def test_only_so_many_run_at_once() -> None:
    running, most = 0, 0

    async def work(_log: str) -> Outcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return Outcome(root="sha256:1")

    async def run() -> None:
        jobs = Jobs(Memory(), 2)
        await asyncio.gather(*(jobs.begin(str(n), "a/b", work) for n in range(10)))

    asyncio.run(run())
    assert most == 2


def test_no_more_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_MOST", 3)
    times: list[str] = []

    async def run() -> None:
        jobs, gate = Jobs(Memory(), 1), asyncio.Event()
        tasks = [jobs.begin(str(n), "a/b", counted(times, gate.wait)) for n in range(3)]
        with pytest.raises(LamellaError, match="too many builds"):
            jobs.begin("3", "a/b", counted(times, gate.wait))
        assert jobs.begin("2", "a/b", counted(times, gate.wait)) is tasks[2]
        gate.set()
        await asyncio.gather(*tasks)
        await jobs.begin("3", "a/b", counted(times, gate.wait))

    asyncio.run(run())
    assert len(times) == 4


def test_another_takes_over_from_who_has_died() -> None:
    bucket = Memory()
    times: list[str] = []

    async def run() -> Job:
        dead = Job(what="a/b", owner="dead", log="1", started=0, until=5000 + SILENCE)
        assert kept.claim(bucket, "k", dead, 5000)
        now = 5000.0 + SILENCE + 1
        return await Jobs(bucket, 1, lambda: now).begin("k", "a/b", counted(times, lambda: asyncio.sleep(0)))

    assert asyncio.run(run()).root == "sha256:1"
    assert len(times) == 1


def test_who_stops_leaves_the_job_to_others() -> None:
    bucket = Memory()
    times: list[str] = []

    async def run() -> Job:
        first, second = Jobs(bucket, 1), Jobs(bucket, 1)
        first.begin("k", "a/b", counted(times, lambda: asyncio.sleep(100)))
        await soon(lambda: times, "the first works")
        other = second.begin("k", "a/b", counted(times, lambda: asyncio.sleep(0)))
        await first.close(0.01)
        with pytest.raises(LamellaError, match="stopping"):
            first.begin("other", "a/b", counted(times, lambda: asyncio.sleep(0)))
        return await other

    assert asyncio.run(run()).state == "done"
    assert len(times) == 2


class SlowToSwap(Memory):
    """A swap takes effect at once, but its answer takes a while."""

    swaps = 0

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        swapped = super().swap(name, before, after)
        self.swaps += 1
        time.sleep(0.2)
        return swapped


def test_who_stops_while_it_renews_its_claim_leaves_the_job_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "BEAT", 0.01)
    bucket = SlowToSwap()
    times: list[str] = []

    async def run() -> None:
        jobs = Jobs(bucket, 1)
        jobs.begin("k", "a/b", counted(times, lambda: asyncio.sleep(100)))
        await soon(lambda: bucket.swaps, "the claim is renewed")
        await jobs.close(0)

    asyncio.run(run())
    job = kept.read_job(bucket.get("jobs/k") or b"")
    assert job
    assert job.until == 0


def test_who_stops_finishes_what_is_nearly_done() -> None:
    async def run() -> None:
        jobs = Jobs(Memory(), 1)
        times: list[str] = []
        task = jobs.begin("k", "a/b", counted(times, lambda: asyncio.sleep(0.05)))
        await asyncio.sleep(0.01)
        await jobs.close(5)
        assert task.result().state == "done"

    asyncio.run(run())
