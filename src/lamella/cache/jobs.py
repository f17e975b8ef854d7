"""Work that one process does for many: it says in the bucket that it has begun, and keeps saying so.

    jobs/<key>      what is done or was done, by whom, and how it ended

The process that creates the item does the work. Others see it, and wait. A process that gives no more signs of life is
presumed dead, and the first to notice takes over. How the work ended is remembered until a time that the item states;
then it may be done again.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.oci.typed import decode_as

SILENCE = 15.0
"""Seconds without a sign of life after which a process counts as dead."""
BEAT = 3.0
"""Seconds between two signs of life."""
FOLDER = "jobs/"

State = Literal["running", "done", "failed"]


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a job. `until` is when it is forgotten, or when its owner counts as dead without a sign of life."""

    what: str
    owner: str
    log: str
    started: float
    until: float
    state: State = "running"
    ended: float = 0.0
    repository: str = ""
    root: str = ""
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class Claim:
    """A job as it is in the bucket; `mine` says whether it is ours to do."""

    bucket: SharedBucket
    key: str
    job: Job
    data: bytes
    mine: bool

    def beat(self, now: float) -> "Claim | None":
        """Give a sign of life; None if another process has taken over."""
        return self._become(msgspec.structs.replace(self.job, until=now + SILENCE))

    def end(self, job: Job) -> "Claim | None":
        """End it, with the outcome in `job`; None if another process has taken over."""
        return self._become(job)

    def give_up(self) -> None:
        """Leave it to others, at once."""
        self._become(msgspec.structs.replace(self.job, until=0.0))

    def _become(self, job: Job) -> "Claim | None":
        data = msgspec.json.encode(job)
        return (
            Claim(self.bucket, self.key, job, data, True) if self.bucket.swap(_at(self.key), self.data, data) else None
        )


def claim(bucket: SharedBucket, key: str, job: Job, now: float) -> Claim | None:
    """Begin `job`, or return the claim of the process that has; None if that has just changed: try again."""
    data, wanted = bucket.get(_at(key)), msgspec.json.encode(job)
    if data is None:
        return Claim(bucket, key, job, wanted, True) if bucket.create(_at(key), wanted) else None
    there = read_job(data)
    if there and there.until > now:
        return Claim(bucket, key, there, data, False)
    return Claim(bucket, key, job, wanted, True) if bucket.swap(_at(key), data, wanted) else None


def read_job(data: bytes) -> Job | None:
    """The job in an item's bytes; None if they are unreadable."""
    try:
        return decode_as(data, Job)
    except msgspec.DecodeError:
        return None


def _at(key: str) -> str:
    return FOLDER + key
