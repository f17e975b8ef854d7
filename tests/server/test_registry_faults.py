"""Servers are killed, buckets fail, disks are full and clients go away: what was acknowledged stays, byte for byte."""

import contextlib
import http.client
import itertools
import os
import random
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from tests.buckets import Memory
from tests.served import OPEN, WRITABLE, Served, served
from tests.server.registry.asking import Answer, Asking, image_of
from tests.server.running import open_registry, running
from tests.waiting import until

from lamella.cache.bucket import Item, SharedBucket, StagedItem
from lamella.cache.folder import Folder
from lamella.oci.digest import Digest, sha256
from lamella.oci.image import Buffer
from lamella.staging import StorageError

if TYPE_CHECKING:
    from lamella.cache.repositories import Manifest

WAITING = 200
KILLS = 5
ROUNDS = 40
BLOCK = 1 << 19


class Kept:
    """What a registry has acknowledged."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.manifests: dict[str, Manifest] = {}

    def check(self, ask: Asking) -> None:
        """Check that all of it is still there."""
        for digest, data in self.blobs.items():
            assert ask("GET", f"blobs/{digest}").body == data
        for tag, manifest in self.manifests.items():
            for reference in (tag, manifest.digest):
                assert ask("GET", f"manifests/{reference}").body == manifest.data


def push_one(ask: Asking, kept: Kept, random_: random.Random, tag: str) -> None:
    """Push an image in one of many ways, and record what is acknowledged as soon as it is."""
    data = random_.randbytes(random_.choice([0, 1000, 300_000, 2_000_000]))
    digest, cut = sha256(data), random_.randrange(len(data) + 1)
    begun = ask("POST", "blobs/uploads/")
    if begun.status != 202:
        return
    if cut and ask("PATCH", begun.location, data[:cut]).status != 202:
        return
    if ask("PUT", f"{begun.location}?digest={digest}", data[cut:]).status == 201:
        kept.blobs[digest] = data
        manifest = image_of(digest, tag=tag)
        if ask.push(manifest, tag).status == 201:
            kept.manifests[tag] = manifest


def kill_in_the_middle(server: Served, bucket: Path, size: int = 0) -> None:
    """Kill a server while it is writing a file that is not in its place yet and has at least `size` bytes."""

    def is_writing() -> bool:
        server.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)
        if any(file.stat().st_size >= size for file in (bucket / "staging").glob("*")):
            return True
        server.process.send_signal(signal.SIGCONT)
        return False

    until(is_writing, "the server writes")
    server.stop(signal.SIGKILL)


def test_a_server_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    kept = Kept()
    names = itertools.count()

    def push_on(host: str, seed: int) -> None:
        random_ = random.Random(seed)
        with contextlib.closing(Asking(host)) as ask, contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                push_one(ask, kept, random_, f"v{next(names)}")

    random_ = random.Random(6)
    with ThreadPoolExecutor(4) as pool:
        for turn in range(KILLS):
            with served(tmp_path, config=WRITABLE + OPEN) as server:
                known = len(kept.manifests)
                pushing = [pool.submit(push_on, server.host, 100 * turn + number) for number in range(4)]
                until(lambda: len(kept.manifests) > known + 1, "images arrive")  # noqa: B023
                time.sleep(random_.uniform(0.0, 0.2))
                kill_in_the_middle(server, tmp_path / "bucket")
                for one in pushing:
                    one.result()
    with served(tmp_path, config=WRITABLE + OPEN) as server, contextlib.closing(Asking(server.host)) as ask:
        kept.check(ask)
        assert len(kept.manifests) > KILLS
        for tag in ask("GET", "tags/list").json["tags"]:  # even what was not acknowledged is complete, if it exists
            manifest = ask("GET", f"manifests/{tag}")
            assert sha256(manifest.body) == manifest.headers["Docker-Content-Digest"]
    for file in (tmp_path / "bucket" / "layers").iterdir():
        assert sha256(file.read_bytes()) == f"sha256:{file.name}"


def test_an_upload_goes_on_when_its_server_was_killed(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    with served(tmp_path, config=WRITABLE + OPEN) as server:
        with contextlib.closing(Asking(server.host)) as ask:
            where = ask.begin()
            ask("PATCH", where, data[:1_000_000])
        half_sent = begin_sending(server.host, where, data[1_000_000:2_000_000], 2_000_000)
        kill_in_the_middle(server, tmp_path / "bucket", 900_000)
        half_sent.close()
    with served(tmp_path, config=WRITABLE + OPEN) as server, contextlib.closing(Asking(server.host)) as ask:
        assert ask("GET", where).headers["Range"] == "0-999999"
        assert ask("PUT", f"{where}?digest={sha256(data)}", data[1_000_000:]).status == 201
        assert ask("GET", f"blobs/{sha256(data)}").body == data


def begin_sending(host: str, address: str, data: bytes, length: int) -> socket.socket:
    """Send less of a body than announced."""
    name, port = host.split(":")
    client = socket.create_connection((name, int(port)))
    client.sendall(f"PATCH {address} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode() + data)
    return client


class Flaky:
    """A bucket that sometimes fails, before or after it has done what was requested."""

    def __init__(self, inner: SharedBucket, seed: int) -> None:
        self.inner = inner
        self.chance = 0.1
        self._random = random.Random(seed)

    def fail(self) -> None:
        if self._random.random() < self.chance / 2:
            raise StorageError("the bucket failed, as it should")

    @contextlib.contextmanager
    def failing(self) -> Iterator[SharedBucket]:
        self.fail()
        yield self.inner
        self.fail()

    def get(self, name: str) -> bytes | None:
        with self.failing() as inner:
            return inner.get(name)

    def put(self, name: str, data: bytes) -> None:
        with self.failing() as inner:
            inner.put(name, data)

    def list(self, prefix: str = "") -> Iterator[Item]:
        with self.failing() as inner:
            yield from inner.list(prefix)

    def delete(self, name: str) -> None:
        with self.failing() as inner:
            inner.delete(name)

    def create(self, name: str, data: bytes) -> bool:
        with self.failing() as inner:
            return inner.create(name, data)

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        with self.failing() as inner:
            return inner.swap(name, before, after)

    def find(self, name: str) -> Item | None:
        with self.failing() as inner:
            return inner.find(name)

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        for block in self.inner.read(name, start, count):
            for at in range(0, len(block), BLOCK):
                self.fail()
                yield block[at : at + BLOCK]

    def stage(self) -> StagedItem:
        return FlakyStaged(self)

    def move(self, name: str, to: str) -> None:
        with self.failing() as inner:
            inner.move(name, to)

    def file(self, _name: str) -> Path | None:
        return None

    def signed(self, _name: str, _valid: timedelta) -> str | None:
        return None


class FlakyStaged:
    def __init__(self, bucket: Flaky) -> None:
        self._bucket = bucket
        self._inner = bucket.inner.stage()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._inner.__exit__(*raised)

    def write(self, block: Buffer) -> object:
        return self._inner.write(block)

    def commit(self, name: str) -> None:
        self._bucket.fail()
        self._inner.commit(name)
        self._bucket.fail()


class Watching(Asking):
    """Checks that failures look as they should; a blob that is cut short counts as a failure."""

    failed = 0

    def __call__(self, method: str, address: str, body: object = None, **headers: str) -> Answer:
        try:
            answer = super().__call__(method, address, body, **headers)  # type: ignore[arg-type]
        except http.client.IncompleteRead:
            assert method == "GET"
            assert "/blobs/" in f"/{address}"
            self.close()
            Watching.failed += 1
            return Answer(503, http.client.HTTPMessage(), b"")
        if answer.status >= 500:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert answer.code == "UNAVAILABLE"
            Watching.failed += 1
        return answer


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_bucket_that_fails_gives_no_wrong_byte(kind: str, tmp_path: Path) -> None:
    bucket = Flaky(Memory() if kind == "memory" else Folder(tmp_path), 7)
    kept = Kept()
    Watching.failed = 0

    def load(seed: int) -> None:
        random_ = random.Random(seed)
        with contextlib.closing(Watching(host)) as ask:
            for turn in range(ROUNDS):
                push_one(ask, kept, random_, f"v{seed}-{turn}")
                for digest, data in random_.sample(list(kept.blobs.items()), min(3, len(kept.blobs))):
                    found = ask("GET", f"blobs/{digest}")
                    assert found.status in (200, 503)
                    assert found.status == 503 or found.body == data
                for tag, manifest in random_.sample(list(kept.manifests.items()), min(3, len(kept.manifests))):
                    found = ask("GET", f"manifests/{tag}")
                    assert found.status in (200, 503)
                    assert found.status == 503 or found.body == manifest.data

    with running(lambda: open_registry(bucket)) as host, ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(4)))
        assert Watching.failed > ROUNDS
        assert min(len(kept.blobs), len(kept.manifests)) > 3
        bucket.chance = 0
        with contextlib.closing(Asking(host)) as ask:
            kept.check(ask)
    with running(lambda: open_registry(bucket)) as host, contextlib.closing(Asking(host)) as ask:
        kept.check(ask)


def again(act: Callable[[], Answer], wanted: int) -> Answer:
    """Repeat a request until it succeeds."""
    for _ in range(100):
        answer = act()
        if answer.status != 503:
            assert answer.status == wanted
            return answer
    raise AssertionError("it fails all the time")


def test_what_failed_can_be_asked_for_again(tmp_path: Path) -> None:
    bucket = Flaky(Folder(tmp_path), 8)
    data = os.urandom(200_000)
    with running(lambda: open_registry(bucket)) as host, contextlib.closing(Asking(host)) as ask:
        for turn in range(20):
            digest = sha256(data + bytes([turn]))
            again(lambda: ask("POST", f"blobs/uploads/?digest={digest}", data + bytes([turn])), 201)  # noqa: B023
            manifest = image_of(digest)
            again(lambda: ask.push(manifest, "v1"), 201)  # noqa: B023
            assert again(lambda: ask("GET", "manifests/v1"), 200).body == manifest.data
            again(lambda: ask("HEAD", f"blobs/{digest}"), 200)  # noqa: B023


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    data, large = os.urandom(1_000_000), os.urandom(8_000_000)
    with (
        served(tmp_path, "--bucket", small_disk, config=WRITABLE + OPEN) as server,
        contextlib.closing(Asking(server.host)) as ask,
    ):
        digest = ask.blob(data)
        refused = ask("POST", f"blobs/uploads/?digest={sha256(large)}", large)
        assert (refused.status, refused.code) == (503, "UNAVAILABLE")
        assert re.search(rb"see number \S+ in the server's log", refused.body)
        assert str(small_disk).encode() not in refused.body
        assert ask("GET", f"blobs/{digest}").body == data
        filler = small_disk / "staging" / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(bytes(8_000_000))
        for method, address in (("POST", "blobs/uploads/"), ("PUT", "manifests/v1")):
            body = image_of(digest).data if method == "PUT" else None
            assert ask(method, address, body, Content_Type=image_of(digest).media_type).status == 503
        assert ask("GET", f"blobs/{digest}").body == data
        filler.unlink()
        ask.image(tag="v1")
        assert ask("GET", "tags/list").json["tags"] == ["v1"]
        assert "No space left" in server.log
        assert "Traceback" not in server.log


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_client_that_goes_away_leaves_nothing(kind: str, tmp_path: Path) -> None:
    bucket = Memory() if kind == "memory" else Folder(tmp_path)
    with running(lambda: open_registry(bucket)) as host, contextlib.closing(Asking(host)) as ask:
        digest = ask.blob(os.urandom(20_000_000))
        where = ask.begin()
        for _ in range(5):
            begin_sending(host, where, b"x" * 500_000, 1_000_000).close()
            begin_sending(host, f"/v2/team/app/blobs/{digest}", b"", 0).close()
        name, port = host.split(":")
        for _ in range(5):
            with socket.create_connection((name, int(port))) as client:
                client.sendall(f"GET /v2/team/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                client.recv(100_000)
        staging = tmp_path / "staging"
        until(lambda: not (staging.exists() and list(staging.iterdir())), "nothing is left in staging")
        assert ask("GET", where).headers["Range"] == "0-0"
        assert ask("PUT", f"{where}?digest={sha256(b'x')}", b"x").status == 201
        assert sha256(ask("GET", f"blobs/{digest}").body) == digest


def test_others_that_do_not_answer_hold_up_nobody(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=WAITING))
        mirror = f'[[mirror]]\nname = "up"\nfrom = "127.0.0.1:{deaf.getsockname()[1]}"\n'
        server = stack.enter_context(served(tmp_path, config=WRITABLE + mirror + OPEN))
        name, port = server.host.split(":")
        for number in range(WAITING):
            client = stack.enter_context(socket.create_connection((name, int(port))))
            client.sendall(f"GET /v2/up/image/manifests/v{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with contextlib.closing(Asking(server.host)) as ask:
            manifest = ask.image(tag="v1")
            assert ask("GET", "manifests/v1").body == manifest.data
