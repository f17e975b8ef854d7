"""Makes sure that a job is done once, however many requests on however many replicas want it."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.jobs import BEAT, SILENCE, Claim, Job, claim
from lamella.errors import LamellaError
from lamella.server.demand.errors import public

_log = logging.getLogger("lamella.server.builds")

_LOOK = 0.3
"""Seconds between checks of what another replica is doing."""

_MOST = 1000
"""How many jobs run or wait at once: each waiting one keeps telling the other replicas that it is alive."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: what it made, and in which repository; or the code and message of its error.

    It is remembered for `seconds`; after that the job may be done again. `fault` is only for the server's log.
    """

    repository: str = ""
    root: str = ""
    code: str = ""
    message: str = ""
    seconds: float = 5.0
    fault: str = ""

    @classmethod
    def of(cls, error: LamellaError) -> "Outcome":
        """Return the outcome of a job that this server could not do, and perhaps can do soon."""
        return cls(code="UNAVAILABLE", message=public(error), fault=str(error))


@dataclass
class Tally:
    """Counts of this replica's jobs, without queued ones; `waiting` counts requests, whoever does their job."""

    started: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    waiting: int = 0

    def end(self, job: Job, seconds: float) -> None:
        """Count a job that has ended after it ran for `seconds`."""
        self.done += job.state == "done"
        self.failed += job.state == "failed"
        self.seconds += seconds


Work = Callable[[str], Awaitable[Outcome]]
"""Does a job; its argument is the name of the log. An exception is a failure of the server."""


class Jobs:
    """The jobs of this replica, in a bucket shared with others; at most `at_once` of them run at a time."""

    def __init__(self, bucket: SharedBucket, at_once: int, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock
        self._owner = secrets.token_hex(8)
        self._room = asyncio.Semaphore(at_once)
        self._tasks: dict[str, asyncio.Task[Job]] = {}
        self._closing = False
        self.tally = Tally()

    def begin(self, key: str, what: str, work: Work) -> "asyncio.Task[Job]":
        """Return the job under `key`, and start it unless it is running. It goes on even if nobody waits for it."""
        task = self._tasks.get(key)
        if task is None:
            if self._closing:
                raise LamellaError("this server is stopping; try again")
            if len(self._tasks) >= _MOST:
                raise LamellaError("too many builds are waiting; try again later")
            task = asyncio.create_task(self._see_to(key, what, work), name=f"job {what}")
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return task

    async def close(self, seconds: float) -> None:
        """Accept no new jobs, give running ones `seconds` to end, and leave the rest to other replicas."""
        self._closing = True
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _see_to(self, key: str, what: str, work: Work) -> Job:
        while True:
            now = self._clock()
            log = secrets.token_hex(16)
            wanted = Job(what=what, owner=self._owner, log=log, started=now, until=now + SILENCE)
            found = await asyncio.to_thread(claim, self._bucket, key, wanted, now)
            if found and found.mine:
                done = await self._do(found, work)
                if done:
                    return done
            elif found and found.job.state != "running":
                return found.job
            else:
                await asyncio.sleep(_LOOK)

    async def _do(self, mine: Claim, work: Work) -> Job | None:
        """Return the job when it has ended; None if another replica took it over, thinking that this one was dead."""
        alive = _Alive(mine, self._clock)
        working = asyncio.create_task(self._work(mine.job, work))
        beating = asyncio.create_task(alive.beat())
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                _log.warning("%s was taken over by another replica", mine.job.what)
                return None
            outcome, seconds = working.result()
            ended = await alive.end(outcome)
            if ended:
                self.tally.end(ended, seconds)
            return ended
        except asyncio.CancelledError:
            await alive.give_up()
            raise
        finally:
            await _stop(beating)
            await _stop(working)

    async def _work(self, job: Job, work: Work) -> tuple[Outcome, float]:
        """Do a job when there is room for it; return the outcome, and for how many seconds it ran."""
        async with self._room:
            began = self._clock()
            self.tally.started += 1
            self.tally.running += 1
            try:
                outcome = await work(job.log)
            except LamellaError as error:
                outcome = Outcome.of(error)
            except Exception:
                _log.exception("%s failed", job.what)
                outcome = Outcome(code="UNKNOWN", message="this server failed; see its log")
            finally:
                self.tally.running -= 1
            if outcome.fault:
                _log.error("%s failed: %s", job.what, outcome.fault)
            return outcome, self._clock() - began


class _Alive:
    """A claim that is renewed as long as its job runs."""

    def __init__(self, mine: Claim, clock: Callable[[], float]) -> None:
        self.claim = mine
        self._clock = clock
        self._lock = asyncio.Lock()

    async def beat(self) -> None:
        """Renew the claim regularly; return when another replica has the job."""
        while True:
            await asyncio.sleep(BEAT)
            async with self._lock:
                try:
                    found = await asyncio.to_thread(self.claim.beat, self._clock())
                except LamellaError as error:
                    _log.warning("cannot tell other replicas that %s is still running: %s", self.claim.job.what, error)
                    continue
                if found is None:
                    return
                self.claim = found

    async def end(self, outcome: Outcome) -> Job | None:
        now = self._clock()
        job = msgspec.structs.replace(
            self.claim.job,
            state="failed" if outcome.code else "done",
            ended=now,
            until=now + outcome.seconds,
            repository=outcome.repository,
            root=outcome.root,
            code=outcome.code,
            message=outcome.message,
        )
        async with self._lock:
            ended = await asyncio.to_thread(self.claim.end, job)
        return ended.job if ended else None

    async def give_up(self) -> None:
        """Leave the job to other replicas at once, after a beat that is under way."""
        async with self._lock:
            await asyncio.to_thread(self.claim.give_up)


async def _stop(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
