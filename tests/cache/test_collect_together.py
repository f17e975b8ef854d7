"""Publishers and collectors at the same time, call by call; collectors that are killed, and buckets that fail."""

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.buckets import Memory
from tests.cache.actors import Clock, KilledError, Turns, Watched, failing, killed_at
from tests.cache.complete import dangling, missing
from tests.cache.pushed import blob, image, index, push
from tests.cache.test_collect import package
from tests.waiting import until as wait_until

from lamella.cache import collect as collecting
from lamella.cache import contents, holds, lease
from lamella.cache.bucket import SharedBucket
from lamella.cache.collect import collect
from lamella.cache.holds import DOOMED, Doom, holding, read_doom
from lamella.cache.lease import CollectingError, LapsedError, Lease
from lamella.cache.narinfos import narinfo_item
from lamella.cache.policies import DAY, Policy, Rules
from lamella.cache.publishing import Pulls, UnknownPartsError, arriving, mount, pin, publish, unpin, used
from lamella.cache.repositories import Manifest, Repository, blob_name
from lamella.errors import LamellaError
from lamella.oci.digest import Digest, sha256

T = TypeVar("T")
U = TypeVar("U")

RULES = Rules(policies=(Policy("caches", "nix/*", keep_days=7), Policy("few", "team/*", keep_tags=("new*",))))
Publisher = Callable[[SharedBucket], Digest | None]

CONFIG, LAYER, LOOSE = sha256(b"config"), sha256(b"layer"), sha256(b"loose")


class OneByOne:
    """Replaces a thread pool: everything runs when it is submitted, so that tests are deterministic."""

    def __init__(self, _workers: int) -> None: ...

    def __enter__(self) -> "OneByOne":
        return self

    def __exit__(self, *raised: object) -> None: ...

    def map(self, call: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
        return map(call, list(items))

    def submit(self, call: Callable[[T], U], item: T) -> "Future[U]":
        done: Future[U] = Future()
        done.set_result(call(item))
        return done


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    """Leases use this clock; threads do one thing at a time."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "ThreadPoolExecutor", OneByOne)
        patch.setattr(holds, "_PAUSE", 0.0)
        patch.setattr(collecting, "_BATCH", 5)
        for module in (holds, lease):
            patch.setattr(module, "time", SimpleNamespace(**{**vars(time), "time": clock}))
        yield clock


def scene(clock: Clock) -> Memory:
    """Old things that nothing keeps, and some that are kept."""
    bucket = Memory(clock)
    repository = Repository(bucket, "team/app")
    for data in (b"config", b"layer"):
        blob(repository, data)
    bucket.put(blob_name(LOOSE), b"loose")
    child = push(repository, "child")
    publish(repository, index(child.digest))
    push(repository, "tagged", "old")
    push(repository, "kept", "new")
    push(repository, "signature", subject=push(repository, "kept").digest)
    package(bucket, "c")
    package(bucket, "b", "c")
    package(bucket, "a", "b")
    clock.now += 8 * DAY
    return bucket


def app(bucket: SharedBucket) -> Repository:
    return Repository(bucket, "team/app")


def attempt(act: Callable[[], object]) -> bool:
    try:
        return act() is not False
    except UnknownPartsError:
        return False


def push_of_known_blobs(bucket: SharedBucket) -> Digest | None:
    manifest = image(CONFIG, LAYER)
    return manifest.digest if attempt(lambda: publish(app(bucket), manifest, "new-1")) else None


def push_of_a_child(bucket: SharedBucket) -> Digest | None:
    manifest = index(child().digest)
    return manifest.digest if attempt(lambda: publish(app(bucket), manifest, "new-2")) else None


def tag_of_an_old_manifest(bucket: SharedBucket) -> Digest | None:
    return child().digest if attempt(lambda: publish(app(bucket), child(), "new-3")) else None


def same_tag_again(bucket: SharedBucket) -> Digest | None:
    tagged = image(*(sha256(text) for text in (b"tagged config", b"tagged layer", b"shared")))
    return tagged.digest if attempt(lambda: publish(app(bucket), tagged, "old")) else None


def signature_of_an_old_manifest(bucket: SharedBucket) -> Digest | None:
    signature = image(sha256(b"shared"), subject=child().digest)
    return signature.digest if attempt(lambda: publish(app(bucket), signature, "new-4")) else None


def push_after_asking(bucket: SharedBucket) -> Digest | None:
    """A client that is told that a blob exists may skip its upload, and the push still works."""
    if not used(bucket, blob_name(LOOSE)):
        with arriving(app(bucket), LOOSE):
            bucket.put(blob_name(LOOSE), b"loose")
    assert mount(app(bucket), LOOSE)
    publish(app(bucket), image(LOOSE), "new-5")
    return image(LOOSE).digest


def whole_push(bucket: SharedBucket) -> Digest | None:
    """Everything that was acknowledged counts."""
    for data in (b"config", b"layer"):
        blob(app(bucket), data)
    publish(app(bucket), image(CONFIG, LAYER), "new-6")
    return image(CONFIG, LAYER).digest


def pinned(bucket: SharedBucket) -> Digest | None:
    return child().digest if pin(bucket, "team/app", child().digest) else None


def pulled(bucket: SharedBucket) -> Digest | None:
    noted = Pulls(bucket).pulled("team/app", child().digest)
    return child().digest if noted and app(bucket).has_manifest(child().digest) else None


def pushed_package(bucket: SharedBucket) -> Digest | None:
    old, new = (narinfo_item("main", letter * 32) for letter in "an")
    nar = f"nar/{'a' * 52}.nar.zst"
    with holding(bucket, (old, new, nar)):
        if bucket.find(old) and bucket.find(nar):
            bucket.put(new, f"StorePath: /nix/store/{'n' * 32}-x\nURL: {nar}\nReferences: {'a' * 32}-x\n".encode())
    return None


def child() -> Manifest:
    return image(*(sha256(text) for text in (b"child config", b"child layer", b"shared")))


PUBLISHERS: list[Publisher] = [
    push_of_known_blobs,
    push_of_a_child,
    tag_of_an_old_manifest,
    same_tag_again,
    signature_of_an_old_manifest,
    push_after_asking,
    whole_push,
    pinned,
    pulled,
    pushed_package,
]


def together(bucket: Memory, order: list[int], publisher: Publisher, now: float) -> None:
    """Run a publisher (1) and a collector (0); whatever the order, what was reported to exist does."""
    got: list[Digest | None] = []
    Turns(order).run(
        bucket,
        [lambda watched: collect(watched, RULES, now=now), lambda watched: got.append(publisher(watched))],
    )
    assert not dangling(bucket)
    for digest in filter(None, got):
        assert not missing(app(bucket), digest)
        collect(bucket, RULES, now=now)
        assert not missing(app(bucket), digest)
    assert not dangling(bucket)


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_publisher_at_any_step_of_a_collector(publisher: Publisher, clock: Clock) -> None:
    for step in range(150):
        together(scene(clock), [0] * step + [1] * 100, publisher, clock.now)


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_collector_at_any_step_of_a_publisher(publisher: Publisher, clock: Clock) -> None:
    for step in range(40):
        together(scene(clock), [1] * step + [0] * 2000, publisher, clock.now)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 3), max_size=120), st.lists(st.sampled_from(PUBLISHERS), min_size=3, max_size=3))
def test_several_publishers_in_any_order(clock: Clock, order: list[int], publishers: list[Publisher]) -> None:
    bucket = scene(clock)
    got: list[Digest | None] = []
    acts = [lambda watched, act=act: got.append(act(watched)) for act in publishers]
    Turns(order).run(bucket, [lambda watched: collect(watched, RULES, now=clock.now), *acts])
    assert not dangling(bucket)
    assert not [one for digest in filter(None, got) for one in missing(app(bucket), digest)]


def left(bucket: SharedBucket) -> set[str]:
    return {item.name for item in bucket.list() if not item.name.startswith("gc/")}


def test_a_collector_that_is_killed_at_any_call(clock: Clock) -> None:
    whole = scene(clock)
    collect(whole, RULES, now=clock.now)
    for last in range(1000):
        bucket = scene(clock)
        try:
            collect(killed_at(bucket, last), RULES, now=clock.now)
        except KilledError:
            assert not dangling(bucket)
            clock.now += 200
            collect(bucket, RULES, now=clock.now)
            assert left(bucket) == left(whole)
        else:
            assert last > 50
            return
    pytest.fail("it does not end")


def test_what_was_spared_keeps_what_it_leads_to(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index is pinned when it is due, but no longer when its image is: the image waits for the next collection."""
    monkeypatch.setattr(collecting, "_BATCH", 1)
    bucket = scene(clock)
    parent = index(child().digest).digest

    def around(name: str, call: Callable[[], object]) -> object:
        doom = read_doom(bucket.get(DOOMED))
        if doom and app(bucket).at("_manifests", parent) in doom.names:
            bucket.put(f"pins/team/app/_{parent.replace(':', '-')}", b"")
        elif doom and app(bucket).at("_manifests", child().digest) in doom.names:
            unpin(bucket, "team/app", parent)
        return call()

    collect(Watched(bucket, around), RULES, now=clock.now)
    assert not bucket.find(f"pins/team/app/_{parent.replace(':', '-')}")
    assert not dangling(bucket)
    assert app(bucket).has_manifest(parent)
    collect(bucket, RULES, now=clock.now)
    assert not app(bucket).has_manifest(child().digest)


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_a_publisher_that_is_killed_at_any_call(publisher: Publisher, clock: Clock) -> None:
    for last in range(100):
        bucket = scene(clock)
        try:
            publisher(killed_at(bucket, last))
        except KilledError:
            assert not dangling(bucket)
            collect(bucket, RULES, now=clock.now)
            assert not dangling(bucket)
        else:
            return
    pytest.fail("it does not end")


@pytest.mark.parametrize(("rate", "ends"), [(0.1, False), (0.01, True)])
def test_some_requests_fail(clock: Clock, rate: float, ends: bool) -> None:
    """A collector stops at a failure, which is rare, as buckets have retried by then; the next one continues."""
    chance = random.Random(1)
    whole = scene(clock)
    collect(whole, RULES, now=clock.now)
    ended = 0
    for _ in range(30):
        bucket = scene(clock)
        flaky = failing(bucket, iter(lambda: chance.random() < rate, None))
        for _ in range(5):
            with contextlib.suppress(LamellaError):
                collect(flaky, RULES, now=clock.now)
                ended += 1
            assert not dangling(bucket)
            clock.now += 200
        collect(bucket, RULES, now=clock.now)
        assert left(bucket) == left(whole)
    assert (ended > 50) is ends


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_publishers_where_one_request_in_ten_fails(publisher: Publisher, clock: Clock) -> None:
    chance = random.Random(2)
    for _ in range(20):
        bucket = scene(clock)
        flaky = failing(bucket, iter(lambda: chance.random() < 0.1, None))
        digest = None
        with contextlib.suppress(LamellaError):
            digest = publisher(flaky)
        collect(bucket, RULES, now=clock.now)
        assert not dangling(bucket)
        assert not digest or not missing(app(bucket), digest)


def test_one_collects_at_a_time(clock: Clock) -> None:
    bucket = scene(clock)
    with Lease(bucket):
        clock.now += 140
        with pytest.raises(CollectingError, match="another process"):
            collect(bucket, RULES, now=clock.now)
        assert collect(bucket, RULES, now=clock.now, dry_run=True).removals
        clock.now += 20
        assert collect(bucket, RULES, now=clock.now).removals
    assert not collect(bucket, RULES, now=clock.now).removals


def test_who_was_not_heard_of_removes_nothing_more(clock: Clock) -> None:
    with Lease(scene(clock)) as lease:
        lease.doom(["a"])
        lease.check()
        clock.now += 91
        with pytest.raises(LapsedError, match="did not answer in time"):
            lease.check()


def test_who_was_taken_over_dooms_nothing_more(clock: Clock) -> None:
    bucket = scene(clock)
    with Lease(bucket) as lease:
        clock.now += 151
        collect(bucket, RULES, now=clock.now)
        with pytest.raises(LapsedError, match="took over"):
            lease.doom(["a"])


def test_a_doom_that_ended_is_not_prolonged(clock: Clock) -> None:
    """Others may have seen that it had expired."""
    with Lease(scene(clock)) as lease:
        lease.doom(["a"])
        clock.now += 121
        with pytest.raises(LapsedError):
            lease.doom(["a"])


def test_a_lease_is_prolonged_in_the_background(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_BEAT", 0.001)
    bucket = scene(clock)
    with Lease(bucket) as held:
        held.doom(["a"])
        until = clock.now + 120
        for _ in range(5):
            clock.now += 80
            wait_until(lambda: doom_of(bucket).until >= clock.now + 100, "the lease is prolonged")
        assert clock.now > until
        assert doom_of(bucket).names == ["a"]
        held.check()
        held.doom(())
    assert read_doom(bucket.get(DOOMED)) is None


def doom_of(bucket: SharedBucket) -> Doom:
    doom = read_doom(bucket.get(DOOMED))
    assert doom is not None
    return doom
