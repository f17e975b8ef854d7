"""What the settings say of garbage: what is kept, for how long, and how often the rest is removed."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from lamella.cache import policies
from lamella.cache.bucket import SharedBucket
from lamella.cache.collect import collect
from lamella.cache.policies import Rules
from lamella.errors import LamellaError
from lamella.spec import kinds
from lamella.spec.fields import Said, Value
from lamella.spec.problems import Problem

_log = logging.getLogger("lamella.server.garbage")

_HOUR = 3600.0
_LONGEST = 100 * 366


class Policy(Value, frozen=True, kw_only=True):
    """What is kept of some repositories."""

    summary = (
        "What is kept of some repositories, or packages of Nix caches. Where no policy is about a repository, all of "
        "its tags are kept; where several are, what one of them keeps is kept."
    )

    repositories: Annotated[
        str,
        Said(
            "Which repositories it is about; `*` stands for any characters but `/`, and `**` for any. Caches of Nix "
            "are `nix/NAME`, and meant only by what begins with `nix/`.",
            kinds.line,
        ),
    ]
    name: Annotated[str, Said("What reports call it.", kinds.line)] = ""
    keep_tags: Annotated[
        Sequence[str], Said("Patterns of tags that are kept, whatever their age.", kinds.texts(kinds.line))
    ] = ()
    keep_last: Annotated[
        int, Said("How many of the other tags are kept, those written last.", kinds.whole(0, 10**6))
    ] = 0
    keep_days: Annotated[
        int,
        Said(
            "For how many days after they were last written or pulled tags or packages are kept.",
            kinds.whole(0, _LONGEST),
        ),
    ] = 0

    def wrongs(self) -> Iterator[Problem]:
        if not (self.keep_tags or self.keep_last or self.keep_days):
            yield Problem((), "keeps nothing; say keep_tags, keep_last or keep_days")
        if self.repositories.startswith("nix/") and not self.keep_days:
            yield Problem(("repositories",), "caches of Nix have no tags; say keep_days")


class Garbage(Value, frozen=True, kw_only=True):
    """How garbage is collected."""

    summary = "What is removed from the bucket when nothing needs it any more, by `lamella gc` and by the server."

    every_hours: Annotated[
        int, Said("How often the server collects garbage; with 0, only `lamella gc` does.", kinds.whole(0, _LONGEST))
    ] = 0
    grace_hours: Annotated[
        int, Said("For how long everything is kept that is new, or was just asked for.", kinds.whole(1, _LONGEST))
    ] = 24
    untagged_days: Annotated[
        int,
        Said(
            "For how long after they were last written or pulled images are kept that have no tag.",
            kinds.whole(0, _LONGEST),
        ),
    ] = 7
    log_days: Annotated[int, Said("For how long logs of builds are kept.", kinds.whole(0, _LONGEST))] = 30
    policies: Annotated[Sequence[Policy], Said(Policy.summary, each=Policy)] = msgspec.field(default=(), name="policy")

    def rules(self) -> Rules:
        """The same, as collectors have it."""
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


async def collect_now_and_then(bucket: SharedBucket, garbage: Garbage) -> None:
    """Collects garbage as often as the settings say, as long as this goes on. Of several servers one does it."""
    while garbage.every_hours:
        await asyncio.sleep(garbage.every_hours * _HOUR)
        try:
            report = await asyncio.to_thread(collect, bucket, garbage.rules())
        except LamellaError as error:
            _log.warning("garbage was not collected: %s", error)
        else:
            _log.info("%s items of garbage were removed, %s bytes", report.items, report.bytes)
