"""Builds and their logs, as the pages show them: those of all replicas, as they share the bucket."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lamella.cache.bucket import Item, SharedBucket
from lamella.cache.jobs import FOLDER, Job, read_job
from lamella.server.builds.log import log_name
from lamella.server.page.latest import Latest

MOST = 1000
"""If there are more builds, only the newest are shown."""
_FRESH = 1.0

_LOG = re.compile("[0-9a-f]{32}")
_CONTROLS = bytes.maketrans(bytes([*range(9), *range(11, 32), 127]), b"?" * 31)
_HIGH_CONTROLS = re.compile(rb"\xc2[\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Build:
    """A build. If its server shows no more signs of life, it counts as `lost`."""

    job: Job
    now: float

    @property
    def state(self) -> str:
        """`running`, `done`, `failed` or `lost`."""
        return "lost" if self.job.state == "running" and self.job.until <= self.now else self.job.state

    @property
    def name(self) -> str:
        """The repository of the image."""
        return self.job.what.rpartition(":")[0]

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return max(0.0, (self.job.ended or min(self.now, self.job.until)) - self.job.started)


@dataclass
class Builds:
    """The builds in a bucket. All methods block, so call them in threads."""

    bucket: SharedBucket
    clock: Callable[[], float] = time.time
    _seen: tuple[float, Sequence[Job]] = field(default=(0.0, ()), init=False)

    def __post_init__(self) -> None:
        self._jobs: Latest[Job] = Latest(self.bucket, read_job)

    def all(self) -> list[Build]:
        """Return all builds as they were a moment ago: running ones, then the others, each newest first."""
        when, jobs = self._seen
        now = self.clock()
        if now - when > _FRESH:
            jobs = [job for _, job in self._jobs.under(FOLDER, MOST)]
            self._seen = now, jobs
        builds = [Build(job, now) for job in jobs]
        return sorted(builds, key=lambda one: (one.state != "running", -one.job.started, one.job.log))

    def of_log(self, log: str) -> Build | None:
        """Return the build of a log; None if it is forgotten, or was repeated with a new log."""
        return next((build for build in self.all() if build.job.log == log), None)

    def log(self, log: str) -> Item | None:
        """Return the item of a log."""
        return self.bucket.find(log_name(log))

    def text(self, log: str, start: int = 0) -> bytes:
        """Return a log from a byte on, without characters that control a terminal."""
        data = b"".join(self.bucket.read(log_name(log), start))
        return _HIGH_CONTROLS.sub(b"??", data.translate(_CONTROLS))


def is_log(name: str) -> bool:
    """Whether `name` is a valid name of a log."""
    return _LOG.fullmatch(name) is not None
