"""Of all processes that want a job done, one does it, and if that one dies, another."""

import threading
from pathlib import Path

import msgspec
import pytest
from tests.buckets import Memory
from tests.cache.known import jobs, look

from lamella.cache.bucket import SharedBucket
from lamella.cache.folder import Folder
from lamella.cache.jobs import SILENCE, Claim, Job, claim


@pytest.fixture(params=["folder", "memory"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> SharedBucket:
    return Memory() if request.param == "memory" else Folder(tmp_path)


def job(owner: str, now: float = 0.0) -> Job:
    return Job(what="shell/git:latest", owner=owner, log="1", started=now, until=now + SILENCE)


def begun(bucket: SharedBucket, owner: str, now: float = 0.0) -> Claim:
    found = claim(bucket, "k", job(owner, now), now)
    assert found
    return found


def test_the_first_one_does_it(bucket: SharedBucket) -> None:
    assert begun(bucket, "a").mine
    second = begun(bucket, "b", 1)
    assert not second.mine
    assert second.job.owner == "a"


def test_of_many_at_once_one_does_it(bucket: SharedBucket) -> None:
    start = threading.Barrier(16)
    mine: list[str] = []

    def race(owner: str) -> None:
        start.wait()
        found = claim(bucket, "k", job(owner), 0)
        if found and found.mine:
            mine.append(owner)

    threads = [threading.Thread(target=race, args=(str(number),)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mine) == 1
    seen = look(bucket, "k", 1)
    assert seen is not None
    assert [seen.owner] == mine


def test_who_is_heard_of_keeps_it(bucket: SharedBucket) -> None:
    mine = begun(bucket, "a").beat(SILENCE - 1)
    assert mine
    assert not begun(bucket, "b", SILENCE + 1).mine


def test_who_is_dead_loses_it(bucket: SharedBucket) -> None:
    dead = begun(bucket, "a")
    assert look(bucket, "k", SILENCE + 1) is None
    assert begun(bucket, "b", SILENCE + 1).mine
    assert dead.beat(SILENCE + 2) is None
    assert dead.end(msgspec.structs.replace(dead.job, state="done")) is None
    seen = look(bucket, "k", SILENCE + 2)
    assert seen is not None
    assert seen.owner == "b"


def test_who_gives_up_leaves_it_to_others_at_once(bucket: SharedBucket) -> None:
    begun(bucket, "a").give_up()
    assert begun(bucket, "b", 0.1).mine


def test_how_it_ended_is_remembered_for_a_while(bucket: SharedBucket) -> None:
    mine = begun(bucket, "a")
    assert mine.end(msgspec.structs.replace(mine.job, state="failed", message="no such package", until=60))
    seen = begun(bucket, "b", 59)
    assert (seen.mine, seen.job.message) == (False, "no such package")
    assert begun(bucket, "c", 61).mine


def test_what_cannot_be_read_is_done_anew(bucket: SharedBucket) -> None:
    bucket.put("jobs/k", b"{half")
    assert jobs(bucket) == {}
    assert begun(bucket, "a").mine
    assert [one.owner for one in jobs(bucket).values()] == ["a"]
