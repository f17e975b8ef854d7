"""Images that are built when they are pulled, over HTTP, with a builder of the tests."""

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec
import pytest
from aiohttp import web
from tests.buckets import Memory
from tests.made import sample
from tests.server.running import open_registry, running
from tests.waiting import until

from lamella.cache.bucket import Item, SharedBucket
from lamella.cache.collect import collect
from lamella.cache.holds import DOOMED, Doom
from lamella.cache.policies import DAY, Rules
from lamella.cache.repositories import MANIFESTS, Repository
from lamella.destinations.publish import bring
from lamella.errors import LamellaError
from lamella.oci.digest import sha256
from lamella.oci.image import parcel_of
from lamella.server.answers import RefusedError
from lamella.server.builds import pins
from lamella.server.builds.builder import Builder, Offers
from lamella.server.builds.jobs import Jobs, Outcome
from lamella.server.builds.orders import Built, built_name
from lamella.server.demand.errors import explained
from lamella.server.demand.names import Pin, Request, parse
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.gate import GATE
from lamella.server.shelf import Shelf
from lamella.staging import StorageError
from lamella.transport.errors import GoneError, TransportError

SOURCES = [Source(name="deb", kind="deb", platforms=["linux/amd64"])]


@dataclass
class Made:
    """A registry that counts its builds."""

    bucket: SharedBucket = field(default_factory=Memory)
    pin: Pin | None = field(default_factory=lambda: Pin("now", moving=False))
    seconds: float = 0.0
    wait: float = 20.0
    outcome: Outcome | None = None
    built: list[str] = field(default_factory=list)
    may_build: bool = True
    trouble: LamellaError = field(default_factory=lambda: TransportError("the archive cannot be reached"))

    async def build(self, name: str, tag: str, pin: Pin, log: str) -> Outcome:
        self.built.append(name)
        await asyncio.sleep(self.seconds)
        if self.outcome:
            return self.outcome
        request = parse(name, tag, SOURCES, BuildLimits())
        return await asyncio.to_thread(self._put, request, name)

    def _put(self, request: Request, name: str) -> Outcome:
        root = bring(parcel_of(sample()), Shelf(Repository(self.bucket, name))).root
        if self.pin and not self.pin.moving:
            told = Built(name, root.digest)
            self.bucket.put(built_name(request.key(self.pin)), msgspec.json.encode(told))
        return Outcome(repository=name, root=root.digest)

    def application(self) -> web.Application:
        offers = Offers(SOURCES, BuildLimits(), self.wait)
        app = open_registry(self.bucket, Builder(self.bucket, offers, Jobs(self.bucket, 2), self.build, self._pin_of))
        app[GATE] = self._gate
        return app

    def _pin_of(self, _request: Request) -> Pin:
        with explained():
            if self.pin is None:
                raise self.trouble
            return self.pin

    def _gate(self, _request: web.Request, action: str, _name: str) -> None:
        if action == "build" and not self.may_build:
            raise RefusedError(403, "DENIED", "you may not build")


def asked(host: str, name: str, tag: str = "latest") -> tuple[int, bytes]:
    """Return the registry's answer."""
    try:
        with urllib.request.urlopen(f"http://{host}/v2/{name}/manifests/{tag}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def is_whole(host: str, name: str, manifest: bytes) -> bool:
    """Whether all blobs of a manifest can be pulled under the same name."""
    told = json.loads(manifest)
    for blob in (told["config"], *told["layers"]):
        with urllib.request.urlopen(f"http://{host}/v2/{name}/blobs/{blob['digest']}") as answer:
            if len(answer.read()) != blob["size"]:
                return False
    return True


@contextlib.contextmanager
def made(**how: object) -> Iterator[tuple[Made, str]]:
    one = Made(**how)  # type: ignore[arg-type]
    with running(one.application) as host:
        yield one, host


def test_a_hundred_pulls_at_two_replicas_are_one_build() -> None:
    one = Made(seconds=0.5)
    other = Made(bucket=one.bucket, seconds=0.5)
    with running(one.application) as first, running(other.application) as second, ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda n: asked([first, second][n % 2], "deb/bash/curl"), range(100)))
    assert {status for status, _ in found} == {200}
    assert len({body for _, body in found}) == 1
    assert len(one.built + other.built) == 1


def test_names_that_mean_the_same_are_one_build() -> None:
    with made() as (one, host):
        for name in ("deb/bash/curl", "curl/bash", "deb/curl/bash/curl"):
            status, body = asked(host, name)
            assert status == 200
            assert is_whole(host, name, body)
        assert len(one.built) == 1


def test_who_pulls_keeps_what_was_built() -> None:
    with made() as (one, host):
        _, body = asked(host, "deb/bash")
        assert [item.name for item in one.bucket.list("pulls/")] == [
            f"pulls/deb/bash/_{sha256(body).replace(':', '-')}"
        ]


def test_what_is_pinned_is_never_built_again() -> None:
    with made() as (one, host):
        asked(host, "deb/bash")
    again = Made(bucket=one.bucket, may_build=False)
    with running(again.application) as host:
        assert asked(host, "deb/bash")[0] == 200
    assert again.built == []


def test_nothing_of_what_moves_is_remembered() -> None:
    with made(pin=Pin("a folder", moving=True)) as (one, host):
        assert asked(host, "deb/bash")[0] == 200
        assert not list(one.bucket.list("manifests/"))


def test_who_may_not_build_may_not() -> None:
    with made(may_build=False) as (one, host):
        status, body = asked(host, "deb/bash")
    assert (status, json.loads(body)["errors"][0]["code"]) == (403, "DENIED")
    assert one.built == []


@pytest.mark.parametrize(
    ("code", "status"), [("MANIFEST_UNKNOWN", 404), ("DENIED", 403), ("UNAVAILABLE", 503), ("UNKNOWN", 500)]
)
def test_a_failure_is_told_with_its_cause_and_remembered(code: str, status: int) -> None:
    with made(outcome=Outcome(code=code, message="no package bahs", seconds=60)) as (one, host):
        for _ in range(3):
            found, body = asked(host, "deb/bahs")
            told = json.loads(body)["errors"][0]
            assert (found, told["code"], told["message"]) == (status, code, "no package bahs")
            assert told["detail"].startswith("its log is at /builds/")
        assert len(one.built) == 1


def test_who_does_not_wait_finds_it_later() -> None:
    with made(seconds=1.0, wait=0.1) as (one, host):
        status, body = asked(host, "deb/bash")
        assert (status, json.loads(body)["errors"][0]["code"]) == (503, "UNAVAILABLE")
        until(lambda: asked(host, "deb/bash")[0] == 200, "it is built")
        assert len(one.built) == 1


@pytest.mark.parametrize(
    ("name", "tag", "status"),
    [
        ("deb/bash", "sha256:" + "0" * 64, 404),
        ("deb/shell-", "latest", 400),
        ("deb/" + "/".join(f"p{n}" for n in range(101)), "latest", 400),
        ("deb", "latest", 404),
    ],
)
def test_names_that_cannot_be_built(name: str, tag: str, status: int) -> None:
    with made() as (one, host):
        if name == "deb":
            one.outcome = Outcome(code="MANIFEST_UNKNOWN", message="no")
        assert asked(host, name, tag)[0] == status


def test_what_was_pushed_comes_first() -> None:
    with made() as (one, host):
        bring(parcel_of(sample()), shelf := Shelf(Repository(one.bucket, "deb/bash")))
        shelf.tag("latest", *parcel_of(sample()).documents[-1])
        assert asked(host, "deb/bash")[0] == 200
        assert one.built == []


@pytest.mark.parametrize(
    ("trouble", "status", "after"),
    [
        (TransportError("no route"), 503, "5"),
        (StorageError("the bucket failed"), 503, "5"),
        (GoneError("no such suite"), 500, None),
    ],
)
def test_what_cannot_be_reached_may_be_pulled_later(trouble: LamellaError, status: int, after: str | None) -> None:
    with made(pin=None, trouble=trouble) as (_, host), pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{host}/v2/deb/bash/manifests/latest")
    with caught.value as answer:
        assert (answer.code, answer.headers["Retry-After"]) == (status, after)


def test_only_the_log_says_what_the_storage_said(caplog: pytest.LogCaptureFixture) -> None:
    trouble = StorageError("cannot write /srv/secret/x: No space left on device")
    with made(pin=None, trouble=trouble) as (_, host):
        status, body = asked(host, "deb/bash")
    assert status == 503
    assert b"secret" not in body
    assert "/srv/secret/x" in caplog.text


def test_an_archive_that_is_not_there() -> None:
    with made(pin=None) as (_, host):
        status, body = asked(host, "deb/bash")
    assert (status, json.loads(body)["errors"][0]["message"]) == (503, "the archive cannot be reached")


def test_an_archive_that_is_gone_is_taken_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "_FRESH", -1.0)
    with made() as (one, host):
        assert asked(host, "deb/bash")[0] == 200
        one.pin = None
        assert asked(host, "deb/bash")[0] == 200
        assert asked(host, "deb/curl")[0] == 503


def test_a_warm_pull_lists_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(_self: Memory, prefix: str = "") -> Iterator[Item]:
        raise AssertionError(f"{prefix} was listed")

    with made() as (_, host):
        asked(host, "deb/bash")
        monkeypatch.setattr(Memory, "list", listed)
        status, body = asked(host, "deb/bash")
        assert status == 200
        assert is_whole(host, "deb/bash", body)


def test_what_is_built_again_counts_as_new() -> None:
    """Otherwise a collector could remove it before the client has pulled it."""
    now = [1e6]
    bucket = Memory(lambda: now[0])
    repository = Repository(bucket, "deb/bash")
    root = bring(parcel_of(sample()), Shelf(repository)).root
    now[0] += 40 * DAY
    assert bring(parcel_of(sample()), Shelf(repository)).root == root
    assert not collect(bucket, Rules(), now=now[0]).removals
    assert repository.manifest(root.digest)


def test_what_is_being_removed_is_not_given() -> None:
    one = Made()
    with running(one.application) as host:
        status, body = asked(host, "deb/bash")
        assert status == 200
    doomed = Repository(one.bucket, "deb/bash").at(MANIFESTS, sha256(body))
    one.bucket.put(DOOMED, msgspec.json.encode(Doom("somebody", 1e12, [doomed])))
    with running(one.application) as host:
        assert asked(host, "deb/bash")[0] == 503
        one.bucket.delete(DOOMED)
        assert asked(host, "deb/bash") == (200, body)
