"""How publishers and a garbage collector share a bucket, in any number of processes and machines, without a lock.

    gc/holds/<id>    names of items that a publisher is about to write, or to write references to
    gc/doomed        the collector's lease, and the names of the items that it is about to remove

Each raises its own flag first, and then looks at the other's:

    publisher   1 writes its hold    2 waits while one of its names is doomed
                3 checks that everything exists    4 writes the references    5 removes its hold
    collector   1 writes what is doomed    2 reads all holds
                3 reads all references    4 removes what neither keeps    5 writes that nothing is doomed

Suppose that the collector removes an item to which a publisher writes a reference. The store is consistent, so the
hold was written either before or after the collector read the holds. If after, then also after the doom was written,
so the publisher found the doom and waited until it was over, or found it over; it looked at the item after the removal,
and wrote nothing. If before, then either the hold was still there, and the item was kept; or it was removed before the
collector began to read references, so the reference was written before that and was read, and the item was kept.

So no publisher has to undo what it wrote, and a publisher that is killed leaves no reference to a missing item, only a
hold, which expires when it is older than the collector's grace period of at least an hour.

A doom ends at its time, so that nobody waits for a collector that was killed. A collector removes items only while
there is a margin before that time, and publishers respect the doom for the same margin longer. This assumes that the
clocks of the machines agree to within that margin, that no request takes effect later than that after it was sent, and
that no publishing takes as long as an hour.
"""

import contextlib
import secrets
import time
from collections.abc import Collection, Iterator

import msgspec

from lamella.cache.bucket import SharedBucket
from lamella.errors import LamellaError
from lamella.oci.typed import decode_as

DOOMED = "gc/doomed"
HOLDS = "gc/holds/"
MARGIN = 30.0

_PAUSE = 0.1
_PATIENCE = 300.0


class BusyError(LamellaError):
    """An item is being removed, and that takes too long."""

    exit_code = 5


class Doom(msgspec.Struct, frozen=True):
    """The content of `gc/doomed`: which process collects, until when, and what is about to be removed."""

    owner: str
    until: float
    names: list[str]


def read_doom(data: bytes | None) -> Doom | None:
    """The doom in an item's bytes, if there is one and it is still in force."""
    if data is None:
        return None
    with contextlib.suppress(msgspec.DecodeError):
        doom = decode_as(data, Doom)
        return doom if doom.until + MARGIN > time.time() else None
    return None


def doomed(bucket: SharedBucket, names: Collection[str]) -> frozenset[str]:
    """Those of `names` that a collector may be removing now."""
    doom = read_doom(bucket.get(DOOMED))
    return frozenset(names).intersection(doom.names if doom else ())


@contextlib.contextmanager
def holding(bucket: SharedBucket, names: Collection[str]) -> Iterator[None]:
    """While this lasts, no collector removes the items `names`, whether they exist yet or not, nor what they lead to.

    If an item is seen to exist inside this context, references to it can be written. Waits while one of the items is
    being removed; raises a `BusyError` if that takes minutes.
    """
    hold = f"{HOLDS}{secrets.token_hex(16)}"
    try:
        bucket.put(hold, "\n".join(sorted(set(names))).encode())
        _outlast(bucket, names)
        yield
    finally:
        with contextlib.suppress(LamellaError):  # it ends by itself
            bucket.delete(hold)


def _outlast(bucket: SharedBucket, names: Collection[str]) -> None:
    end = time.monotonic() + _PATIENCE
    while going := doomed(bucket, names):
        if time.monotonic() > end:
            raise BusyError(f"{min(going)} is being removed as garbage, which takes a while; try again later")
        time.sleep(_PAUSE)
