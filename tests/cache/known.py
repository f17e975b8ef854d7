"""The jobs in a bucket."""

from lamella.cache.bucket import SharedBucket
from lamella.cache.jobs import FOLDER, Job, read_job


def jobs(bucket: SharedBucket) -> dict[str, Job]:
    """All readable jobs, by key."""
    found = ((item.name.removeprefix(FOLDER), read_job(bucket.get(item.name) or b"")) for item in bucket.list(FOLDER))
    return {key: job for key, job in found if job}


def look(bucket: SharedBucket, key: str, now: float) -> Job | None:
    """The job, unless it is forgotten or its owner is dead."""
    found = jobs(bucket).get(key)
    return found if found and found.until > now else None
