"""The items of a bucket that nothing keeps, in the order in which they must be removed.

Items that others lead to are judged one by one as they are listed, after everything that may lead to them.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import TypeVar

import msgspec

from lamella.cache import unneeded_images, unneeded_packages
from lamella.cache.bucket import SharedBucket
from lamella.cache.contents import Contents
from lamella.cache.holds import HOLDS
from lamella.cache.policies import DAY
from lamella.cache.publishing import NIX, PULLS, USED
from lamella.cache.removals import Removal, View
from lamella.cache.repositories import MIRRORED, file_digest, noted
from lamella.oci.digest import Digest, encoded
from lamella.oci.typed import decode_as

_BLOBS, _RECORDS, _BUILT = "layers/", "builds/", "manifests/"
_UPLOADS, _STAGING, _LOGS = "uploads/", "staging/", "logs/"
_RECORD_DAYS = 30

T = TypeVar("T")


class _Built(msgspec.Struct):
    digest: Digest
    repository: str


class _Record(msgspec.Struct):
    digest: Digest


def unneeded(bucket: SharedBucket, contents: Contents, view: View) -> list[Removal]:
    """Everything that nothing keeps; what leads to other items comes first."""
    verdicts = {name: unneeded_images.judge(name, each, view) for name, each in view.survey.repositories.items()}
    needed = {encoded(digest) for verdict in verdicts.values() for digest in verdict.blobs}
    found = [
        *(removal for verdict in verdicts.values() for removal in verdict.removals),
        *_built(bucket, contents, view, {name: verdict.manifests for name, verdict in verdicts.items()}),
        *_blobs_and_records(bucket, contents, view, needed),
        *unneeded_packages.judge(bucket, view),
        *_uploads(bucket, view),
        *_over(bucket, view),
        *_marks(bucket, view),
        *_mirrored(bucket, contents, view),
    ]
    return sorted(found, key=lambda removal: (removal.stage, removal.name))


def _built(bucket: SharedBucket, contents: Contents, view: View, kept: dict[str, frozenset[str]]) -> Iterator[Removal]:
    """Entries of built images. What an entry leads to may have been added after the repositories were read."""
    for item, built in contents.read(bucket.list(_BUILT), lambda data: _read(data, _Built)):
        if built is None or built.digest in kept.get(built.repository, ()):
            continue
        holding = view.survey.repositories.get(built.repository)
        if (holding and built.digest in holding.manifests) or not view.is_young(item.used):
            yield Removal(item.name, "built image", item.size, "its manifest is removed")


def _blobs_and_records(bucket: SharedBucket, contents: Contents, view: View, needed: set[str]) -> Iterator[Removal]:
    """Blobs, and records: these are worth the room they take, unless they are old and their blob is gone."""
    records = (item for item in bucket.list(_RECORDS) if item.used <= view.now - _RECORD_DAYS * DAY)
    old = list(contents.read(records, lambda data: _read(data.partition(b"\n")[2], _Record)))
    named = {encoded(record.digest) for _, record in old if record}
    present = set()
    for item in bucket.list(_BLOBS):
        hexadecimal = item.name.removeprefix(_BLOBS)
        if hexadecimal in needed or view.is_young(item.used) or view.is_counted_on(item.name):
            present |= {hexadecimal} & named
        else:
            yield Removal(item.name, "blob", item.size, "no manifest needs it")
    for item, record in old:
        if record and encoded(record.digest) not in present:
            reason = f"older than {_RECORD_DAYS} days, and its blob is gone"
            yield Removal(item.name, "record", item.size, reason)


def _uploads(bucket: SharedBucket, view: View) -> Iterator[Removal]:
    """An upload is removed as a whole, some time after its last sign of life."""
    for _, group in groupby(bucket.list(_UPLOADS), lambda item: item.name.split("/")[1]):
        items = list(group)
        if not any(view.is_young(item.used) for item in items):
            for item in items:
                yield Removal(item.name, "upload", item.size, "an abandoned upload")


def _over(bucket: SharedBucket, view: View) -> Iterator[Removal]:
    """What is over: leftovers of killed processes, logs and jobs."""
    for item in bucket.list(_STAGING):
        if not view.is_young(item.used):
            yield Removal(item.name, "upload", item.size, "left over by a process that was killed")
    for item in bucket.list(_LOGS):
        if item.used <= view.now - view.rules.log_days * DAY:
            yield Removal(item.name, "log", item.size, f"older than {view.rules.log_days} days")
    for item, until in view.survey.jobs.values():
        if until <= view.now and not view.is_young(item.used):
            yield Removal(item.name, "job", item.size, "over for longer than the grace period")


def _marks(bucket: SharedBucket, view: View) -> Iterator[Removal]:
    """Notes about items that are no longer needed."""
    for prefix in (HOLDS, USED):
        for item in bucket.list(prefix):
            if not view.is_young(item.used):
                yield Removal(item.name, "mark", item.size, "older than the grace period")
    for key, moment in view.survey.pulls.items():
        repository, file = noted(key)
        holding = view.survey.repositories.get(repository)
        there = holding is not None and file_digest(file) in holding.manifests
        there = there or file in view.survey.caches.get(repository.removeprefix(NIX), ())
        if not there and not view.is_young(moment):
            yield Removal(f"{PULLS}{key}", "mark", 0, "what was pulled is gone")


def _mirrored(bucket: SharedBucket, contents: Contents, view: View) -> Iterator[Removal]:
    """Notes of where tags of other registries led, if that manifest is gone."""
    for item, digest in contents.read(bucket.list(MIRRORED), lambda data: Digest(data.decode(errors="replace"))):
        holding = view.survey.repositories.get(noted(item.name.removeprefix(MIRRORED))[0])
        if not (holding and digest in holding.manifests) and not view.is_young(item.used):
            yield Removal(item.name, "mark", item.size, "what the tag led to is gone")


def _read(data: bytes, kind: type[T]) -> T | None:
    try:
        return decode_as(data, kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
