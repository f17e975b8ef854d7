"""Collecting garbage: removing from a bucket what nothing keeps, while others read it, push to it and build.

The items to remove are doomed one batch at a time, as `holds` describes. Then the whole bucket is surveyed again, and
those of the batch that still nothing keeps are removed, an item before the items it leads to. So wherever this stops,
nothing that is kept ever leads to a missing item, and the next collection continues.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from lamella.cache.bucket import SharedBucket
from lamella.cache.contents import Contents, at_once
from lamella.cache.folder import Folder
from lamella.cache.lease import Lease
from lamella.cache.policies import Rules
from lamella.cache.removals import Removal, View
from lamella.cache.survey import survey
from lamella.cache.unneeded import unneeded
from lamella.staging import sweep

_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Group:
    """Removals of one kind for one reason."""

    kind: str
    reason: str
    items: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was removed, or would be, in order of removal."""

    removals: tuple[Removal, ...]

    @property
    def items(self) -> int:
        return len(self.removals)

    @property
    def bytes(self) -> int:
        return sum(removal.size for removal in self.removals)

    def groups(self) -> list[Group]:
        """The removals grouped by kind, in order of removal, and by reason."""
        ordered = sorted(self.removals, key=lambda removal: (removal.stage[0], removal.reason))
        listed = ((key, list(ones)) for key, ones in groupby(ordered, lambda one: (one.kind, one.reason)))
        return [Group(*key, len(ones), sum(one.size for one in ones)) for key, ones in listed]


@dataclass(frozen=True, slots=True)
class _Collection:
    bucket: SharedBucket
    contents: Contents
    rules: Rules
    now: float

    def look(self, pending: frozenset[str] | None = None) -> list[Removal]:
        """What nothing keeps now. Items that are new among it, not in `pending`, hold what they lead to."""
        seen = survey(self.bucket, self.contents)
        view = View(seen, self.rules, self.now, seen.held)
        found = unneeded(self.bucket, self.contents, view)
        new = frozenset() if pending is None else {one.name for one in found} - pending
        return unneeded(self.bucket, self.contents, replace(view, held=seen.held | new)) if new else found


def collect(bucket: SharedBucket, rules: Rules, *, dry_run: bool = False, now: float | None = None) -> Report:
    """Remove what the rules do not keep; raise a `CollectingError` if another process is collecting.

    With `dry_run` nothing is written or removed.
    """
    now = time.time() if now is None else now
    collection = _Collection(bucket, Contents(bucket, now), rules, now)
    if dry_run:
        return Report(tuple(collection.look()))
    with Lease(bucket) as lease:
        removed = tuple(_removed(collection, lease))
    if isinstance(bucket, Folder):
        sweep(bucket.root)
    return Report(removed)


def _removed(collection: _Collection, lease: Lease) -> Iterator[Removal]:
    """Remove what nothing keeps, batch by batch."""

    def remove(removal: Removal) -> None:
        lease.check()
        collection.bucket.delete(removal.name)

    pending = [removal.name for removal in collection.look()]
    while pending:
        batch = pending[:_BATCH]
        lease.doom(batch)
        doomed = set(batch)
        going = [one for one in collection.look(frozenset(pending)) if one.name in doomed]
        for _, stage in groupby(going, lambda removal: removal.stage):
            together = list(stage)
            at_once(remove, together)
            yield from together
        lease.doom(())
        del pending[:_BATCH]
