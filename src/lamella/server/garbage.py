"""The settings of garbage collection: what is kept, for how long, and how often the rest is removed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import msgspec

from lamella.cache import policies
from lamella.cache.bucket import SharedBucket
from lamella.cache.collect import Report, collect
from lamella.cache.holds import DOOMED, read_doom
from lamella.cache.policies import Rules
from lamella.errors import LamellaError
from lamella.spec import kinds
from lamella.spec.fields import Said, Value
from lamella.spec.problems import Problem

_log = logging.getLogger("lamella.server.garbage")

_HOUR = 3600.0
_LOOK = 600.0
"""Seconds between checks of whether the last collection was long ago."""
_COLLECTED = "gc/collected"
"""The item that holds when a server last began to collect, in seconds since the epoch; and until it ends, `_BEGUN`."""
_BEGUN = b" begun"
_NEVER = b"0.0"
_LONGEST = 100 * 366


class Policy(Value, frozen=True, kw_only=True):
    """What to keep in some repositories."""

    summary = (
        "What to keep in some repositories or Nix caches. If no policy matches a repository, all of its tags are kept; "
        "if several do, everything that one of them keeps is kept."
    )

    repositories: Annotated[
        str,
        Said(
            "Which repositories it applies to; `*` matches any characters except `/`, and `**` matches any. Nix caches "
            "are called `nix/NAME`; only patterns that start with `nix/` match them.",
            kinds.line,
        ),
    ]
    name: Annotated[str, Said("The name of the policy in reports.", kinds.line)] = ""
    keep_tags: Annotated[
        Sequence[str], Said("Patterns of tags that are kept at any age.", kinds.texts(kinds.line))
    ] = ()
    keep_last: Annotated[
        int, Said("How many of the other tags are kept, the most recently written first.", kinds.whole(0, 10**6))
    ] = 0
    keep_days: Annotated[
        int,
        Said(
            "How many days tags or packages are kept after they were last written or pulled.",
            kinds.whole(0, _LONGEST),
        ),
    ] = 0

    def wrongs(self) -> Iterator[Problem]:
        if not (self.keep_tags or self.keep_last or self.keep_days):
            yield Problem((), "keeps nothing; set keep_tags, keep_last or keep_days")
        if self.repositories.startswith("nix/") and not self.keep_days:
            yield Problem(("repositories",), "Nix caches have no tags; set keep_days")


class Garbage(Value, frozen=True, kw_only=True):
    """How to collect garbage."""

    summary = "Removal of what nothing in the bucket needs any more, by `lamella gc` and by the server."

    every_hours: Annotated[
        int,
        Said(
            "How many hours pass between the server's garbage collections; with 0, only `lamella gc` collects.",
            kinds.whole(0, _LONGEST),
        ),
    ] = 0
    grace_hours: Annotated[
        int, Said("How many hours everything is kept after it arrived or was requested.", kinds.whole(1, _LONGEST))
    ] = 24
    untagged_days: Annotated[
        int,
        Said(
            "How many days images without a tag are kept after they were last written or pulled.",
            kinds.whole(0, _LONGEST),
        ),
    ] = 7
    log_days: Annotated[int, Said("How many days build logs are kept.", kinds.whole(0, _LONGEST))] = 30
    policies: Annotated[Sequence[Policy], Said(Policy.summary, each=Policy)] = msgspec.field(default=(), name="policy")

    def rules(self) -> Rules:
        """Return the same as rules for the collector."""
        return Rules(
            self.grace_hours * _HOUR,
            self.untagged_days,
            self.log_days,
            tuple(
                policies.Policy(
                    one.name or one.repositories, one.repositories, one.keep_last, one.keep_days, tuple(one.keep_tags)
                )
                for one in self.policies
            ),
        )


async def collect_now_and_then(bucket: SharedBucket, garbage: Garbage, clock: Callable[[], float] = time.time) -> None:
    """Collect garbage as often as the settings say, until cancelled. Of several servers, one does it each time."""
    while garbage.every_hours:
        try:
            report = await asyncio.to_thread(_collect_if_due, bucket, garbage, clock())
        except LamellaError as error:
            _log.warning("garbage was not collected: %s", error)
        except Exception:
            _log.exception("garbage was not collected")
        else:
            if report:
                _log.info("removed %s items of garbage, %s bytes", report.items, report.bytes)
        await asyncio.sleep(_LOOK)


def _collect_if_due(bucket: SharedBucket, garbage: Garbage, now: float) -> Report | None:
    """Return what was removed; None if the last collection was not long ago, or another server was first."""
    before, mine = bucket.get(_COLLECTED), repr(now).encode()
    if before is not None and not _is_due(bucket, before, garbage, now):
        return None
    begun = mine + _BEGUN
    if not (bucket.create(_COLLECTED, begun) if before is None else bucket.swap(_COLLECTED, before, begun)):
        return None
    try:
        report = collect(bucket, garbage.rules())
    except BaseException:
        with contextlib.suppress(LamellaError):
            bucket.swap(_COLLECTED, begun, before or _NEVER)
        raise
    bucket.swap(_COLLECTED, begun, mine)
    return report


def _is_due(bucket: SharedBucket, before: bytes, garbage: Garbage, now: float) -> bool:
    """Whether the last collection was long ago, or its server was killed: then no lease is in force any more."""
    since = abs(now - _moment(before.removesuffix(_BEGUN)))
    if before.endswith(_BEGUN):
        return since >= _LOOK and read_doom(bucket.get(DOOMED)) is None
    return since >= garbage.every_hours * _HOUR


def _moment(data: bytes) -> float:
    try:
        return float(data)
    except ValueError:
        return float(_NEVER)
