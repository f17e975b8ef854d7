"""The order that a worker gets, and how it carries it out: one image, built into the bucket."""

from dataclasses import replace

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.cache.nearby import Nearby
from lamella.cache.records import Records
from lamella.cache.repositories import Repository
from lamella.oci.digest import Digest
from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.server.builds.jobs import Outcome
from lamella.server.demand.build import build
from lamella.server.demand.errors import DemandError
from lamella.server.demand.names import Pin, Request, parse
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.demand.workshop import Workshop
from lamella.server.nixcache.near import nars_in
from lamella.server.shelf import Shelf

_FORGET_FAILURES = 60.0
_FORGET_TROUBLE = 5.0
_PASSING = ("UNKNOWN", "UNAVAILABLE")
"""Errors that may be gone at the next try."""


class Order(msgspec.Struct, frozen=True):
    """An image to build. `settings` is the text of the server's settings."""

    settings: str
    bucket: str
    repository: str
    tag: str
    pin: Pin


class Built(msgspec.Struct, frozen=True):
    """An image that was built before, kept as `manifests/<key>` if its request is pinned."""

    repository: str
    digest: Digest


def built_name(key: str) -> str:
    """Return the name of the item for a key."""
    return f"manifests/{key}"


def carry_out(
    order: Order, sources: tuple[Source, ...], limits: BuildLimits, bucket: SharedBucket, workshop: Workshop
) -> Outcome:
    """Build what is ordered. It is remembered only when everything that belongs to it exists."""
    shared = replace(workshop, place=_sharing(workshop.place, bucket))
    try:
        request = parse(order.repository, order.tag, sources, limits)
        root = build(request, order.pin, shared, Shelf(Repository(bucket, order.repository)))
    except DemandError as error:
        seconds = _FORGET_TROUBLE if error.code in _PASSING else _FORGET_FAILURES
        return Outcome(code=error.code, message=str(error), seconds=seconds, fault=error.fault)
    if not order.pin.moving:
        _remember(bucket, request, order, root.digest)
    return Outcome(repository=order.repository, root=root.digest)


def _sharing(place: Workplace, bucket: SharedBucket) -> Workplace:
    """Return the workplace with the bucket's records of layers and its NARs, which are not stored twice."""
    outside = needed(place.outside, "what images are made of")
    near = replace(outside, downloads=outside.downloads.beside(nars_in(bucket)))
    return replace(place, records=Records(Nearby(place.records.bucket, bucket)), outside=near)


def _remember(bucket: SharedBucket, request: Request, order: Order, root: Digest) -> None:
    bucket.put(built_name(request.key(order.pin)), msgspec.json.encode(Built(order.repository, root)))
