"""Metrics and health probes."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.buckets import Memory
from tests.server.page import house
from tests.server.page.house import Client, served
from tests.waiting import soon

from lamella.cache.bucket import Item
from lamella.cache.jobs import FOLDER
from lamella.cache.narinfos import LOGS, NARINFOS, NARS
from lamella.cache.nearby import SHARED
from lamella.cache.publishing import PINS, PULLS, USED
from lamella.cache.repositories import MIRRORED, REPOSITORIES, Repository, blob_name
from lamella.oci.digest import sha256
from lamella.server.builds.jobs import Jobs, Outcome
from lamella.server.builds.log import log_name
from lamella.server.builds.orders import built_name
from lamella.server.monitoring import health
from lamella.server.monitoring.amounts import EVERY, Amounts
from lamella.server.monitoring.health import Health
from lamella.server.monitoring.metrics import kind_of
from lamella.staging import StorageError

FOLDERS = (
    *(FOLDER, NARINFOS, NARS, LOGS, SHARED, PINS, PULLS, USED, REPOSITORIES, MIRRORED),
    *(blob_name(sha256(b"")).partition("/")[0] + "/", log_name(""), built_name(""), "uploads/"),
)
"""Where items are kept."""
PAGE = Path(__file__).parents[3] / "docs" / "serving" / "page.md"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def counted(client: Client) -> Samples:
    return samples(await (await client.get("/metrics")).text())


async def measured(client: Client) -> Samples:
    """Return the samples once the bucket has been measured."""
    async with asyncio.timeout(120):
        while True:
            found = await counted(client)
            if any(name == "lamella_bucket_bytes" for name, _ in found):
                return found
            await asyncio.sleep(0.01)


def test_requests_are_counted_by_few_words(tmp_path: Path) -> None:
    bucket = Memory()
    house.image(Repository(bucket, "team/app"), [house.Made("all", 1000)])

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            await counted(client)
            for i in range(20):
                await client.get(f"/images/nobody/has-{i}")
                await client.get(f"/v2/nobody/has-{i}/blobs/sha256:{i:064}")
                await client.request(f"MAKE{i}", f"/{i}")
            found = await counted(client)
            names = {name for name, _ in found}
            assert found["lamella_requests_total", (("kind", "page"), ("method", "GET"), ("status", "404"))] == 20
            assert found["lamella_requests_total", (("kind", "blob"), ("method", "GET"), ("status", "404"))] == 20
            assert found["lamella_request_seconds_count", (("kind", "blob"), ("method", "GET"))] == 20
            assert len([1 for name, _ in found if name == "lamella_requests_total"]) < 10
            assert found["lamella_cache_lookups_total", (("cache", "blobs"), ("result", "miss"))] == 20
            assert found["lamella_requests_running", ()] == 1
            assert "process_resident_memory_bytes" in names
            found = await measured(client)
            assert found["lamella_bucket_items", (("part", "repositories"),)] == 1

    asyncio.run(ask())


def test_the_page_tells_of_every_metric(tmp_path: Path) -> None:
    async def ask() -> set[str]:
        async with served(Memory(), tmp_path) as client:
            await measured(client)
            text = await (await client.get("/metrics")).text()
        return {family.name for family in text_string_to_metric_families(text)}

    names = {name for name in asyncio.run(ask()) if not name.endswith("_created")}
    written = {
        line.split("`")[1].partition("{")[0] for line in PAGE.read_text().splitlines() if line.startswith("| `lamella_")
    }
    assert {name.removesuffix("_total") for name in written} == {n for n in names if n.startswith("lamella_")}


def test_kinds_of_requests() -> None:
    told = {
        "/v2/": "registry",
        "/v2/_catalog": "registry",
        "/v2/a/b/manifests/v1": "manifest",
        "/v2/manifests/blobs/sha256:1": "blob",
        "/v2/a/blobs/uploads/": "upload",
        "/v2/a/blobs/uploads/1": "upload",
        "/v2/a/tags/list": "tags",
        "/v2/a/referrers/sha256:1": "referrers",
        "/nix/main/x.narinfo": "narinfo",
        "/nix/main/nar/x.nar.zst": "nar",
        "/nix/main/nix-cache-info": "nix",
        "/healthz": "health",
        "/readyz": "health",
        "/metrics": "metrics",
        "/": "page",
        "/images/healthz": "page",
        "//healthz": "page",
    }
    assert {path: kind_of(path) for path in told} == told


def test_builds_are_counted() -> None:
    async def run() -> Jobs:
        jobs = Jobs(Memory(), 2)
        working = asyncio.Event()

        async def fail(_: str) -> Outcome:
            return Outcome(code="MANIFEST_UNKNOWN", message="no such package")

        async def slow(_: str) -> Outcome:
            await working.wait()
            return Outcome(root="sha256:2")

        async def succeed(_: str) -> Outcome:
            assert (jobs.tally.started, jobs.tally.running) == (2, 2)
            working.set()
            return Outcome(root="sha256:1")

        task = jobs.begin("a", "a:latest", slow)
        await soon(lambda: jobs.tally.running, "a job runs")
        await jobs.begin("b", "b:latest", succeed)
        await task
        await jobs.begin("c", "c:latest", fail)
        return jobs

    tally = asyncio.run(run()).tally
    assert (tally.started, tally.running, tally.done, tally.failed) == (3, 0, 2, 1)
    assert tally.seconds > 0


def test_only_builds_that_run_are_counted_as_running() -> None:
    now = 1000.0

    async def run() -> Jobs:
        nonlocal now
        jobs = Jobs(Memory(), 1, lambda: now)
        working, tally = asyncio.Event(), jobs.tally

        async def work(_: str) -> Outcome:
            nonlocal now
            await working.wait()
            now += 10
            return Outcome(root="sha256:1")

        tasks = [jobs.begin(key, f"{key}:latest", work) for key in "abc"]
        await soon(lambda: len(list(jobs._bucket.list(FOLDER))) == 3 and tally.running, "all are claimed, one runs")
        assert (tally.started, tally.running) == (1, 1)
        working.set()
        await asyncio.gather(*tasks)
        return jobs

    tally = asyncio.run(run()).tally
    assert (tally.started, tally.running, tally.done, tally.seconds) == (3, 0, 3, 30)


class Down(Memory):
    """A bucket that cannot be reached for a while."""

    is_down = True
    asked = 0

    def get(self, name: str) -> bytes | None:
        self.asked += 1
        if self.is_down:
            raise StorageError("the bucket is gone")
        return super().get(name)


def test_ready_follows_the_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_FRESH", -1.0)
    bucket = Down()

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            assert (await client.get("/readyz")).status == 503
            assert (await client.get("/healthz")).status == 200
            assert (await client.get("/v2/a/manifests/v1")).status == 503
            assert (await counted(client))["lamella_bucket_errors_total", ()] == 1
            bucket.is_down = False
            assert (await client.get("/readyz")).status == 200

    asyncio.run(ask())


def test_many_probes_are_one_look_at_the_bucket() -> None:
    bucket = Down()
    bucket.is_down = False

    async def ask() -> None:
        probe = Health(bucket)
        answers = await asyncio.gather(*(probe.ready(None) for _ in range(50)))  # type: ignore[arg-type]
        answers.append(await probe.ready(None))  # type: ignore[arg-type]
        assert {answer.status for answer in answers} == {200}
        probe.is_stopping = True
        assert (await probe.ready(None)).status == 503  # type: ignore[arg-type]

    asyncio.run(ask())
    assert bucket.asked == 1


class Slow(Memory):
    """A bucket that is slow to list."""

    listed = 0

    def list(self, prefix: str = "") -> Iterator[Item]:
        if prefix == "layers/":
            for i in range(60_000):
                self.listed += 1
                time.sleep(0.001)
                yield Item(f"layers/{i}", 10, 0.0)


def test_the_bucket_is_measured_now_and_then() -> None:
    now = 1000.0
    bucket = Memory()
    bucket.put("layers/1", b"12345")
    bucket.put("logs/1", b"1")

    async def look() -> None:
        nonlocal now
        amounts = Amounts(bucket, lambda: now)
        assert amounts.latest() is None
        found = await soon(amounts.latest, "the bucket is measured")
        assert (found.size, found.when) == (6, 1000.0)
        bucket.put("layers/2", b"12345")
        now += EVERY - 1
        assert amounts.latest() is found
        await asyncio.sleep(0.05)
        assert amounts.latest() is found
        now += 1
        await soon(lambda: amounts.latest() is not found, "the bucket is measured again")
        again = await soon(amounts.latest, "the bucket is measured")
        assert again.size == 11
        await amounts.close()

    asyncio.run(look())


@pytest.mark.parametrize("folder", [*FOLDERS])
def test_everything_that_grows_is_measured(folder: str) -> None:
    bucket = Memory()
    bucket.put(f"{folder}a", b"12345")

    async def look() -> None:
        amounts = Amounts(bucket)
        found = await soon(amounts.latest, "the bucket is measured")
        assert found.size == 5
        await amounts.close()

    asyncio.run(look())


def test_who_stops_does_not_wait_for_the_measure() -> None:
    bucket = Slow()

    async def look() -> None:
        amounts = Amounts(bucket)
        assert amounts.latest() is None
        await soon(lambda: bucket.listed, "the bucket is listed")
        await amounts.close()
        assert bucket.listed < 60_000

    asyncio.run(look())
