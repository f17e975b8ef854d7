"""What garbage is, and what is not."""

import os
from pathlib import Path

import msgspec
import pytest
from tests.buckets import Memory
from tests.cache.actors import Clock
from tests.cache.complete import dangling
from tests.cache.pushed import blob, image, index, push
from tests.objects import AWS

from lamella.cache.bucket import SharedBucket
from lamella.cache.collect import Group, collect
from lamella.cache.folder import Folder
from lamella.cache.jobs import Job
from lamella.cache.narinfos import narinfo_item
from lamella.cache.objects import bucket_at
from lamella.cache.policies import DAY, Policy, Rules
from lamella.cache.publishing import Pulls, pin, publish, unpin, used
from lamella.cache.records import Records
from lamella.cache.repositories import Repository, blob_name, repositories
from lamella.oci.digest import Digest, sha256
from lamella.oci.image import Record

LATER = 8 * DAY


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(clock: Clock) -> Memory:
    return Memory(clock)


@pytest.fixture
def repository(bucket: Memory) -> Repository:
    return Repository(bucket, "team/app")


def names(bucket: SharedBucket, prefix: str = "") -> set[str]:
    """The names of all items in the bucket, except those that collectors write."""
    return {item.name for item in bucket.list(prefix) if not item.name.startswith("gc/")}


def test_a_tag_keeps_all_that_it_leads_to(bucket: Memory, repository: Repository, clock: Clock) -> None:
    child = push(repository, "child")
    publish(repository, index(child.digest), "latest")
    signature = push(repository, "signature", subject=child.digest)
    push(repository, "signature of that", subject=signature.digest)
    before = names(bucket)
    clock.now += 1000 * DAY
    assert not collect(bucket, Rules(), now=clock.now).removals
    assert names(bucket) == before


def test_what_no_tag_leads_to_goes_in_time(bucket: Memory, repository: Repository, clock: Clock) -> None:
    child = push(repository, "child")
    publish(repository, index(child.digest), "latest")
    signature = push(repository, "signature", subject=child.digest)
    kept = push(Repository(bucket, "other"), "kept", "latest")
    repository.delete_tag("latest")
    clock.now += 6 * DAY
    assert not collect(bucket, Rules(), now=clock.now).removals
    clock.now += 2 * DAY
    report = collect(bucket, Rules(), now=clock.now)
    order = [removal.name.rpartition("-")[2] for removal in report.removals if removal.kind == "manifest"]
    assert order[2] == child.digest[7:], "after the index and the signature"
    assert set(order) == {one[7:] for one in (child.digest, signature.digest, index(child.digest).digest)}
    assert list(repositories(bucket)) == ["other"]
    assert names(bucket, "layers/") == {
        blob_name(sha256(f"{text}".encode())) for text in ("kept config", "kept layer", "shared")
    }
    assert not dangling(bucket)
    assert Repository(bucket, "other").manifest(kept.digest)


def test_the_report_tells_how_much_and_why(bucket: Memory, repository: Repository, clock: Clock) -> None:
    manifest = push(repository, "one")
    clock.now += LATER
    before = names(bucket)
    would = collect(bucket, Rules(), now=clock.now, dry_run=True)
    assert names(bucket) == before
    assert bucket.get("gc/doomed") is None
    size = len(manifest.data) + len(manifest.media_type) + 1
    assert would.groups() == [
        Group("manifest", "untagged, and neither written nor pulled for 7 days", 1, size),
        Group("link", "no manifest of the repository needs the blob", 3, 0),
        Group("blob", "no manifest needs it", 3, 25),
    ]
    assert (would.items, would.bytes) == (7, size + 25)
    assert collect(bucket, Rules(), now=clock.now) == would
    assert not names(bucket)


def test_a_pull_keeps_what_it_pulled(bucket: Memory, repository: Repository, clock: Clock) -> None:
    one, _ = push(repository, "one"), push(repository, "other")
    clock.now += 6 * DAY
    Pulls(bucket).pulled("team/app", one.digest)
    clock.now += 2 * DAY
    collect(bucket, Rules(), now=clock.now)
    assert list(repository.manifests()) == [one.digest]
    clock.now += 6 * DAY
    collect(bucket, Rules(), now=clock.now)
    collect(bucket, Rules(), now=clock.now)
    assert not names(bucket)


def test_a_pin_keeps_what_it_names(bucket: Memory, repository: Repository, clock: Clock) -> None:
    manifest = push(repository, "one")
    assert pin(bucket, "team/app", manifest.digest)
    clock.now += LATER
    assert not collect(bucket, Rules(), now=clock.now).removals
    unpin(bucket, "team/app", manifest.digest)
    collect(bucket, Rules(), now=clock.now)
    assert not names(bucket)


def test_jobs_go_when_their_time_is_over(bucket: Memory, clock: Clock) -> None:
    for key, until in (("long", 100 * DAY), ("short", 2 * DAY)):
        bucket.put(f"jobs/{key}", msgspec.json.encode(Job("x", "me", "log", clock.now, clock.now + until, "done")))
    bucket.put("jobs/strange", b"?")
    clock.now += 3 * DAY
    collect(bucket, Rules(), now=clock.now)
    assert names(bucket) == {"jobs/long"}


POLICIES = [
    (Policy("p", "team/*", keep_last=2), {"t3", "t4"}),
    (Policy("p", "team/*", keep_days=3), {"t3", "t4", "t0"}),
    (Policy("p", "team/*", keep_tags=("*1", "t0")), {"t0", "t1"}),
    (Policy("p", "team/*", keep_last=1, keep_tags=("t4",)), {"t3", "t4"}),
    (Policy("p", "other/*", keep_last=1), {"t0", "t1", "t2", "t3", "t4"}),
]


@pytest.mark.parametrize(("policy", "kept"), POLICIES, ids=range(len(POLICIES)))
def test_policies(bucket: Memory, repository: Repository, clock: Clock, policy: Policy, kept: set[str]) -> None:
    first = push(repository, "t0", "t0")
    for number in range(1, 5):
        clock.now += DAY
        push(repository, f"t{number}", f"t{number}")
    Pulls(bucket).pulled("team/app", first.digest)
    clock.now += DAY
    rules = Rules(grace=3600.0, untagged_days=0, policies=(policy,))
    collect(bucket, rules, now=clock.now)
    assert set(repository.tags()) == kept
    clock.now += 3601
    assert not dangling(bucket)


def test_what_one_of_several_policies_keeps_is_kept(bucket: Memory, repository: Repository, clock: Clock) -> None:
    for tag in ("nightly-1", "nightly-2", "v1", "other"):
        push(repository, tag, tag)
        clock.now += DAY
    clock.now += DAY
    nightly = Policy("nightly", "**", keep_last=1, keep_tags=("nightly-2",))
    rules = Rules(policies=(nightly, Policy("releases", "team/app", keep_tags=("v*",))))
    report = collect(bucket, rules, now=clock.now)
    assert set(repository.tags()) == {"nightly-2", "v1", "other"}
    reason = 'not kept by policy "nightly" (the last 1; nightly-2) or policy "releases" (v*)'
    assert [one.reason for one in report.removals if one.kind == "tag"] == [reason]


def test_a_new_tag_is_kept_whatever_policies_say(bucket: Memory, repository: Repository, clock: Clock) -> None:
    push(repository, "one", "new")
    rules = Rules(policies=(Policy("none", "**", keep_tags=("v*",)),))
    assert not collect(bucket, rules, now=clock.now + DAY / 2).removals
    assert [one.kind for one in collect(bucket, rules, now=clock.now + DAY).removals] == ["tag"]


def test_a_push_that_takes_its_time(bucket: Memory, repository: Repository, clock: Clock) -> None:
    layer = blob(repository, b"layer")
    clock.now += DAY - 60
    config = blob(repository, b"config")
    assert not collect(bucket, Rules(), now=clock.now).removals
    publish(repository, image(config, layer), "latest")
    clock.now += LATER
    assert not collect(bucket, Rules(), now=clock.now).removals


def test_who_was_told_of_a_blob_can_use_it(bucket: Memory, repository: Repository, clock: Clock) -> None:
    name = blob_name(blob(repository, b"blob"))
    clock.now += LATER
    assert used(bucket, name, clock.now)
    assert not collect(bucket, Rules(), now=clock.now).removals
    clock.now += DAY
    collect(bucket, Rules(), now=clock.now)
    assert not names(bucket)


def test_a_blob_stays_for_another_repository(bucket: Memory, repository: Repository, clock: Clock) -> None:
    push(repository, "one")
    push(Repository(bucket, "other"), "one", "latest")
    clock.now += LATER
    report = collect(bucket, Rules(), now=clock.now)
    assert {one.kind for one in report.removals} == {"manifest", "link"}
    assert not dangling(bucket)


def test_a_manifest_that_nobody_understands_keeps_what_it_may_need(
    bucket: Memory, repository: Repository, clock: Clock
) -> None:
    manifest = push(repository, "one", "latest")
    bucket.put(repository.at("_manifests", manifest.digest), b"type\n{")
    clock.now += LATER
    assert not collect(bucket, Rules(), now=clock.now).removals


def test_entries_of_built_images_go_with_them(bucket: Memory, repository: Repository, clock: Clock) -> None:
    kept, gone = push(repository, "kept", "latest"), push(repository, "gone")
    for key, digest in (("a", kept.digest), ("b", gone.digest), ("c", sha256(b"never was"))):
        bucket.put(f"manifests/{key}", msgspec.json.encode({"digest": digest, "repository": "team/app", "more": 1}))
    bucket.put("manifests/d", b"strange")
    clock.now += LATER
    report = collect(bucket, Rules(), now=clock.now)
    assert [one.name for one in report.removals][:2] == ["manifests/b", "manifests/c"]
    assert names(bucket, "manifests/") == {"manifests/a", "manifests/d"}


def test_where_tags_of_other_registries_led(bucket: Memory, repository: Repository, clock: Clock) -> None:
    kept, gone = push(repository, "kept", "latest"), push(repository, "gone")
    for tag, digest in (("v1", kept.digest), ("v2", gone.digest)):
        bucket.put(f"mirrored/team/app/_{tag}", digest.encode())
    clock.now += LATER
    collect(bucket, Rules(), now=clock.now)
    collect(bucket, Rules(), now=clock.now)
    assert names(bucket, "mirrored/") == {"mirrored/team/app/_v1"}


def test_records_keep_nothing_and_are_kept_long(bucket: Memory, repository: Repository, clock: Clock) -> None:
    push(repository, "kept", "latest")
    loose = blob(repository, b"loose")
    for key, digest in (("kept", sha256(b"shared")), ("loose", loose), ("gone", sha256(b"gone"))):
        Records(bucket).save(key, Record(diff_id=digest, digest=digest, size=1, tar_size=1, media_type="x"))
    clock.now += 29 * DAY
    collect(bucket, Rules(), now=clock.now)
    assert bucket.find(blob_name(loose)) is None
    assert len(names(bucket, "builds/")) == 3
    clock.now += 2 * DAY
    collect(bucket, Rules(), now=clock.now)
    assert names(bucket, "builds/") == {"builds/kept"}


def test_what_is_over_by_itself(bucket: Memory, clock: Clock) -> None:
    for name in ("uploads/a/session", "uploads/a/1", "uploads/b/session", "logs/x", "staging/x", "gc/holds/x"):
        bucket.put(name, b"")
    clock.now += DAY
    bucket.put("uploads/b/1", b"")
    collect(bucket, Rules(), now=clock.now)
    assert {item.name for item in bucket.list()} == {"uploads/b/session", "uploads/b/1", "logs/x", "gc/doomed"}
    collect(bucket, Rules(), now=clock.now + 31 * DAY)
    assert not names(bucket)


def test_what_is_not_known_stays(bucket: Memory, clock: Clock) -> None:
    for name in ("trees/x", "images/x/y/z", "other"):
        bucket.put(name, b"")
    assert not collect(bucket, Rules(), now=clock.now + 1000 * DAY).removals


def package(bucket: SharedBucket, letter: str, *references: str, cache: str = "main", nar: str = "") -> str:
    """A package whose hash is a repeated letter and that refers to others like it; returns the name of its NAR."""
    name = f"nar/{(nar or letter) * 52}.nar.zst"
    for ending in ("", ".facts", ".ls"):
        bucket.put(name + ending, b"bytes")
    told = " ".join(f"{one * 32}-name" for one in references)
    text = f"StorePath: /nix/store/{letter * 32}-name\nURL: {name}\nReferences: {told}\nSig: a:b\n"
    bucket.put(narinfo_item(cache, letter * 32), text.encode())
    return name


CACHES = Rules(policies=(Policy("caches", "nix/main", keep_days=7), Policy("all", "*", keep_last=1)))


def test_packages_are_kept_with_all_that_they_need(bucket: Memory, clock: Clock) -> None:
    package(bucket, "c", "c")
    package(bucket, "b", "c", "b")
    package(bucket, "p", "c")
    gone = [package(bucket, "a", "b"), package(bucket, "d", "c", "g"), package(bucket, "g", "d")]
    clock.now += LATER
    assert not collect(bucket, Rules(), now=clock.now, dry_run=True).removals
    assert pin(bucket, "nix/main", "p" * 32)
    Pulls(bucket).pulled("nix/main", "b" * 32, clock.now)
    report = collect(bucket, CACHES, now=clock.now)
    assert [one.name for one in report.removals] == [
        *(narinfo_item("main", letter * 32) for letter in "adg"),
        *(nar + ending for nar in gone for ending in (".facts", ".ls")),
        *gone,
    ]
    assert names(bucket, "narinfo/") == {narinfo_item("main", letter * 32) for letter in "bcp"}
    assert not dangling(bucket)
    assert report.removals[0].reason == "not fetched for 7 days, and nothing kept refers to it"


def test_packages_are_kept_for_caches_beside(bucket: Memory, clock: Clock) -> None:
    """Packages of `main` may be removed; `other` keeps all."""
    for letter in "ab":
        package(bucket, letter)
    package(bucket, "a", cache="other", nar="g")
    package(bucket, "c", "a", "b", cache="other")
    clock.now += LATER
    collect(bucket, CACHES, now=clock.now)
    kept = {("main", "b"), ("other", "a"), ("other", "c")}
    assert names(bucket, "narinfo/") == {narinfo_item(cache, letter * 32) for cache, letter in kept}


def test_a_nar_stays_while_one_narinfo_names_it(bucket: Memory, clock: Clock) -> None:
    nar = package(bucket, "a")
    package(bucket, "a", cache="other")
    clock.now += LATER
    collect(bucket, CACHES, now=clock.now)
    assert names(bucket) == {narinfo_item("other", "a" * 32), nar, f"{nar}.facts", f"{nar}.ls"}


def test_what_goes_with_a_nar(bucket: Memory, clock: Clock) -> None:
    nars = [f"nar/{letter * 52}.nar" for letter in "abc"]
    for nar in nars:
        bucket.put(f"{nar}.ls", b"")
    bucket.put(nars[0], b"")
    clock.now += DAY
    bucket.put(nars[1], b"")
    collect(bucket, Rules(), now=clock.now)
    assert names(bucket) == {nars[1], f"{nars[1]}.ls"}


def test_logs_of_packages_stay_as_long_as_those(bucket: Memory, clock: Clock) -> None:
    for cache in ("main", "other"):
        bucket.put(f"nixlogs/{cache}/x.drv", b"")
    clock.now += LATER
    collect(bucket, CACHES, now=clock.now)
    assert names(bucket) == {"nixlogs/other/x.drv"}


def old(bucket: Folder, clock: Clock) -> None:
    """Make everything look untouched since the clock's time."""
    for item in bucket.list():
        os.utime(bucket.root / item.name, (clock.now, clock.now))


def test_in_a_folder(tmp_path: Path, clock: Clock) -> None:
    bucket = Folder(tmp_path)
    repository = Repository(bucket, "team/app")
    push(repository, "gone")
    push(repository, "kept", "latest")
    (tmp_path / "staging" / "left").write_bytes(b"by somebody who was killed")
    old(bucket, clock)
    kept = names(bucket) - {one.name for one in collect(bucket, Rules(), now=clock.now + DAY, dry_run=True).removals}
    assert collect(bucket, Rules(), now=clock.now + LATER).bytes > 20
    assert names(bucket) < kept
    assert not (tmp_path / "staging" / "left").exists()
    assert [repository.manifest(digest) for digest in repository.manifests()] == [push(repository, "kept")]
    assert not dangling(bucket)


def test_in_an_object_store(s3: str, tmp_path: Path, clock: Clock) -> None:
    bucket = bucket_at(f"s3://ours/garbage{s3}", AWS, tmp_path)
    repository = Repository(bucket, "team/app")
    gone = push(repository, "gone")
    push(repository, "kept", "latest")
    item = bucket.find(repository.at("_manifests", gone.digest))
    assert item is not None
    assert not collect(bucket, Rules(), now=item.used + DAY / 2).removals
    report = collect(bucket, Rules(), now=item.used + LATER)
    assert [one.kind for one in report.removals] == ["manifest", "link", "link", "blob", "blob"]
    assert not dangling(bucket)
    assert repository.tagged("latest") is not None
    assert not collect(bucket, Rules(), now=item.used + LATER).removals


def test_reasons_are_grouped(bucket: Memory, repository: Repository, clock: Clock) -> None:
    for text in ("a", "b"):
        push(repository, text)
    clock.now += LATER
    assert [(one.kind, one.items) for one in collect(bucket, Rules(), now=clock.now).groups()] == [
        ("manifest", 2),
        ("link", 5),
        ("blob", 5),
    ]


def test_digests_of_both_kinds(bucket: Memory, repository: Repository, clock: Clock) -> None:
    digest = Digest("sha512:" + "ab" * 64)
    bucket.put(blob_name(digest), b"x")
    repository.link(digest)
    publish(repository, image(digest), "latest")
    clock.now += LATER
    assert not collect(bucket, Rules(), now=clock.now).removals
