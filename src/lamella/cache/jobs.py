"""Work that one of many does, for all of them: who has begun says so in the bucket, and keeps saying so.

    jobs/<key>      what is done or was done, by whom, and how it ended

Whoever creates the item does the work. Others see it, and wait. Who is not heard of any more is taken to be dead, and
the first to notice takes over. How it ended is remembered until a time that the item tells; then it may be done anew.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.oci.typed import decode_as

SILENCE = 15.0
"""Seconds after which somebody who was not heard of is dead."""
BEAT = 3.0
"""Seconds between two signs of life."""
FOLDER = "jobs/"

State = Literal["running", "done", "failed"]


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job as it stands. `until` is when it is forgotten, or when its owner is dead if nothing was heard meanwhile."""

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
        """Still at it; None if somebody has taken over."""
        return self._become(msgspec.structs.replace(self.job, until=now + SILENCE))

    def end(self, job: Job) -> "Claim | None":
        """Done with it, as `job` tells; None if somebody has taken over."""
        return self._become(job)

    def give_up(self) -> None:
        """Leaves it to others, at once."""
        self._become(msgspec.structs.replace(self.job, until=0.0))

    def _become(self, job: Job) -> "Claim | None":
        data = msgspec.json.encode(job)
        return (
            Claim(self.bucket, self.key, job, data, True) if self.bucket.swap(_at(self.key), self.data, data) else None
        )


def claim(bucket: SharedBucket, key: str, job: Job, now: float) -> Claim | None:
    """Begins `job`, or shows who else has; None if that changed at this very moment, and is worth another look."""
    data, wanted = bucket.get(_at(key)), msgspec.json.encode(job)
    if data is None:
        return Claim(bucket, key, job, wanted, True) if bucket.create(_at(key), wanted) else None
    there = read_job(data)
    if there and there.until > now:
        return Claim(bucket, key, there, data, False)
    return Claim(bucket, key, job, wanted, True) if bucket.swap(_at(key), data, wanted) else None


def read_job(data: bytes) -> Job | None:
    """The job that an item tells of; None if it is unreadable."""
    try:
        return decode_as(data, Job)
    except msgspec.DecodeError:
        return None


def _at(key: str) -> str:
    return FOLDER + key
