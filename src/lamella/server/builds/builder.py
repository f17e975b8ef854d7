"""The origin of images that are built when they are pulled."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from lamella.cache.bucket import SharedBucket
from lamella.cache.jobs import Job
from lamella.cache.publishing import adopt
from lamella.cache.repositories import Manifest, Repository
from lamella.oci.digest import Digest
from lamella.oci.typed import decode_as
from lamella.server.answers import RefusedError
from lamella.server.builds.jobs import Jobs, Outcome
from lamella.server.builds.orders import Built, built_name
from lamella.server.builds.pins import Pins
from lamella.server.demand.errors import DemandError
from lamella.server.demand.names import Pin, Request, parse
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.registry.names import is_digest

_log = logging.getLogger("lamella.server.builds")

_STATUS = {"MANIFEST_UNKNOWN": 404, "NAME_INVALID": 400, "TAG_INVALID": 400, "DENIED": 403, "UNAVAILABLE": 503}

BuildImage = Callable[[str, str, Pin, str], Awaitable[Outcome]]
"""Builds the image of a repository and tag at a pin; the last argument is the name of the log."""


@dataclass(frozen=True)
class Offers:
    """What can be built, and how long a request waits for it."""

    sources: Sequence[Source]
    limits: BuildLimits
    wait: float


class Builder:
    """An origin that builds images whose names say what is in them."""

    def __init__(
        self, bucket: SharedBucket, offers: Offers, jobs: Jobs, build: BuildImage, pin_of: Callable[[Request], Pin]
    ) -> None:
        self._bucket = bucket
        self._offers = offers
        self._jobs = jobs
        self._build = build
        self._pins = Pins(pin_of)

    async def manifest(self, name: str, reference: str, permit: Callable[[str], None]) -> Manifest | None:
        """Return the image that the name describes. If it is pinned and was built before, there is no wait."""
        if is_digest(reference):
            return None
        try:
            request = parse(name, reference, self._offers.sources, self._offers.limits)
            pin = await self._pins.of(request)
        except DemandError as error:
            if error.fault:
                _log.error("%s:%s cannot be looked up: %s", name, reference, error.fault)
            raise _refusal(error.code, str(error)) from error
        key = request.key(pin)
        if not pin.moving:
            found = await asyncio.to_thread(self._known, name, key)
            if found:
                return found
        permit("build")
        job = await self._done(key, name, reference, pin)
        return await asyncio.to_thread(self._adopted, Built(job.repository, Digest(job.root)), name)

    async def blob(self, _name: str, _digest: Digest) -> bool:
        """Return False: all blobs of a built image are in the bucket already."""
        return False

    def _known(self, name: str, key: str) -> Manifest | None:
        data = self._bucket.get(built_name(key))
        return self._adopted(decode_as(data, Built), name) if data else None

    def _adopted(self, built: Built, name: str) -> Manifest | None:
        """Make available under `name` what was perhaps built under a different name with the same meaning."""
        return adopt(Repository(self._bucket, built.repository), Repository(self._bucket, name), built.digest)

    async def _done(self, key: str, name: str, tag: str, pin: Pin) -> Job:
        task = self._jobs.begin(key, f"{name}:{tag}", lambda log: self._build(name, tag, pin, log))
        self._jobs.tally.waiting += 1
        try:
            job = await asyncio.wait_for(asyncio.shield(task), self._offers.wait)
        except TimeoutError:
            message = f"{name}:{tag} is still being built; pull again to wait for it"
            raise RefusedError(503, "UNAVAILABLE", message, headers={"Retry-After": "10"}) from None
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            message = f"this server is stopping; pull {name}:{tag} again, and another server builds it"
            raise RefusedError(503, "UNAVAILABLE", message, headers={"Retry-After": "1"}) from None
        finally:
            self._jobs.tally.waiting -= 1
        if job.state == "failed":
            raise _refusal(job.code, job.message, f"its log is at /builds/{job.log}")
        return job


def _refusal(code: str, message: str, detail: str = "") -> RefusedError:
    headers = {"Retry-After": "5"} if code == "UNAVAILABLE" else {}
    return RefusedError(_STATUS.get(code, 500), code, message, detail, headers)
