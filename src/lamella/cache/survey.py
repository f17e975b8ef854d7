"""What is in a bucket, and what leads to what, as far as a garbage collector needs to know.

Holds are read first, then what refers to other items; `holds` explains why. Items that are only referred to are not
stored here, so a survey needs memory only for references, and for each digest once.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from lamella.cache.bucket import Item, SharedBucket
from lamella.cache.contents import Contents
from lamella.cache.holds import HOLDS
from lamella.cache.jobs import FOLDER, read_job
from lamella.cache.narinfos import NARINFOS, leads
from lamella.cache.parts import Parts, parts_of
from lamella.cache.policies import DAY
from lamella.cache.publishing import PINS, PULLS, USED
from lamella.cache.repositories import BLOBS, MANIFESTS, REFERRERS, REPOSITORIES, TAGS, file_digest
from lamella.errors import LamellaError
from lamella.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Kept:
    """A manifest that exists. `parts` is None if it cannot be parsed."""

    size: int
    written: float
    parts: Parts | None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a repository contains; links and referrers with the time when they were written."""

    tags: dict[str, tuple[Digest, float]] = field(default_factory=dict)
    manifests: dict[Digest, Kept] = field(default_factory=dict)
    links: dict[Digest, float] = field(default_factory=dict)
    referrers: dict[tuple[Digest, Digest], Item] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Narinfo:
    """A package in a Nix cache: the hashes of the packages that it refers to, and where its bytes are."""

    size: int
    written: float
    references: tuple[str, ...]
    nar: str


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that leads to something. Pins, pulls and marks are by name, without their folder."""

    held: frozenset[str]
    pins: frozenset[str]
    pulls: dict[str, float]
    marks: dict[str, float]
    jobs: dict[str, tuple[Item, float]]
    """By name, with the time until which they count."""
    repositories: dict[str, Holding]
    caches: dict[str, dict[str, Narinfo]]


def survey(bucket: SharedBucket, contents: Contents) -> Survey:
    """Survey the bucket as it is now, or was while this was reading it."""
    holds = contents.read(bucket.list(HOLDS), lambda data: data.decode().split("\n"))
    held = frozenset(name for _, names in holds for name in names)
    jobs = contents.read(bucket.list(FOLDER), _until)
    return Survey(
        held=held,
        pins=frozenset(_by_name(bucket, PINS)),
        pulls=_by_name(bucket, PULLS),
        marks=_by_name(bucket, USED),
        jobs={item.name: (item, item.used + DAY if until is None else until) for item, until in jobs},
        repositories=_repositories(bucket, contents),
        caches=_caches(bucket, contents),
    )


def _by_name(bucket: SharedBucket, prefix: str) -> dict[str, float]:
    return {item.name.removeprefix(prefix): item.used for item in bucket.list(prefix)}


def _repositories(bucket: SharedBucket, contents: Contents) -> dict[str, Holding]:
    found: defaultdict[str, Holding] = defaultdict(Holding)
    digests: dict[Digest, Digest] = {}
    tags: list[Item] = []
    manifests: list[Item] = []
    for item in bucket.list(REPOSITORIES):
        repository, kind, name = _place(item.name)
        if kind == BLOBS:
            digest = file_digest(name)
            found[repository].links[digests.setdefault(digest, digest)] = item.used
        elif kind == REFERRERS:
            subject, _, referrer = name.partition("/")
            found[repository].referrers[file_digest(subject), file_digest(referrer)] = item
        elif kind in (TAGS, MANIFESTS):
            (tags if kind == TAGS else manifests).append(item)
    for item, digest in contents.read(tags, lambda data: Digest(data.decode(errors="replace"))):
        repository, _, name = _place(item.name)
        found[repository].tags[name] = digests.setdefault(digest, digest), item.used
    for item, parts in contents.read(manifests, lambda data: _parts(data, digests)):
        repository, _, name = _place(item.name)
        digest = file_digest(name)
        found[repository].manifests[digests.setdefault(digest, digest)] = Kept(item.size, item.used, parts)
    return dict(found)


def _place(name: str) -> tuple[str, str, str]:
    """Repository, kind and rest; no part of a repository's name begins with `_`."""
    repository, _, rest = name.removeprefix(REPOSITORIES).partition("/_")
    kind, _, file = rest.partition("/")
    return repository, f"_{kind}", file


def _parts(data: bytes, digests: dict[Digest, Digest]) -> Parts | None:
    try:
        parts = parts_of(data.partition(b"\n")[2])
    except LamellaError:
        return None
    blobs, manifests = (tuple(digests.setdefault(one, one) for one in ones) for ones in (parts.blobs, parts.manifests))
    return Parts(blobs, manifests, parts.subject)


def _caches(bucket: SharedBucket, contents: Contents) -> dict[str, dict[str, Narinfo]]:
    found: defaultdict[str, dict[str, Narinfo]] = defaultdict(dict)
    hashes: dict[str, str] = {}
    for item, told in contents.read(bucket.list(NARINFOS), lambda data: leads(data.decode(errors="replace"))):
        cache, _, hash_part = item.name.removeprefix(NARINFOS).rpartition("/")
        shared = tuple(hashes.setdefault(one, one) for one in told.references)
        found[cache][hash_part] = Narinfo(item.size, item.used, shared, told.nar)
    return dict(found)


def _until(data: bytes) -> float | None:
    """The time until which a job counts, if it states one."""
    job = read_job(data)
    return job.until if job else None
