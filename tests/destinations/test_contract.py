"""One contract for all destinations, and how `publish` uses it."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import msgspec
import pytest
from tests.destinations.memory import Memory
from tests.made import Held, held, image_with, layer_of, sample, tar_of
from tests.objects import AWS
from tests.real.registries import real_registry
from tests.registry.fake import Fake, serving
from tests.server.running import open_registry, running

from lamella.cache.folder import Folder
from lamella.cache.objects import bucket_at
from lamella.cache.repositories import Repository as Stored
from lamella.destinations.destination import Destination, Staging
from lamella.destinations.layout import Layout
from lamella.destinations.publish import given, publish
from lamella.destinations.registry import RegistryDestination
from lamella.errors import LamellaError
from lamella.oci import media
from lamella.oci.digest import Digest, DigestError, sha256
from lamella.oci.image import Body, Buffer, Layer, Sink, manifest_of, parcel_of
from lamella.oci.wire import Descriptor
from lamella.registry.credentials import Keychain
from lamella.registry.host import Host
from lamella.registry.repository import Repository
from lamella.server.shelf import Shelf
from lamella.transport.connections import Settings


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Destination]:
    yield Layout(tmp_path / "destination")
    assert not list((tmp_path / "destination").rglob("staging/*"))


@pytest.fixture
def memory() -> Destination:
    return Memory()


@pytest.fixture
def registry() -> Iterator[Destination]:
    with serving(Fake()) as fake, repository_at(fake.name) as repository:
        yield RegistryDestination(repository)


@pytest.fixture
def docker_registry(tmp_path: Path) -> Iterator[Destination]:
    with real_registry(tmp_path) as name, repository_at(name) as repository:
        yield RegistryDestination(repository)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Destination]:
    yield Shelf(Stored(Folder(tmp_path / "bucket"), "team/app"))
    assert not list((tmp_path / "bucket").rglob("staging/*"))


@pytest.fixture
def own_registry(tmp_path: Path) -> Iterator[Destination]:
    with (
        running(lambda: open_registry(Folder(tmp_path / "bucket"))) as name,
        repository_at(name) as repository,
    ):
        yield RegistryDestination(repository)


@pytest.fixture
def own_registry_in_s3(s3: str, tmp_path: Path) -> Iterator[Destination]:
    with (
        running(lambda: open_registry(bucket_at(f"s3://ours/{tmp_path.name}{s3}", AWS, tmp_path))) as name,
        repository_at(name) as repository,
    ):
        yield RegistryDestination(repository)


@contextlib.contextmanager
def repository_at(name: str) -> Iterator[Repository]:
    with contextlib.closing(Host(name, Keychain({"HOME": "/nowhere"}), Settings())) as host:
        yield Repository(host, "team/app")


@pytest.fixture(
    params=[
        "layout",
        "memory",
        "registry",
        "shelf",
        "own_registry",
        "own_registry_in_s3",
        pytest.param("docker_registry", marks=pytest.mark.real),
    ]
)
def destination(request: pytest.FixtureRequest) -> Destination:
    found: Destination = request.getfixturevalue(request.param)
    return found


def blob(data: bytes) -> Descriptor:
    return Descriptor(media_type=media.LAYER, digest=sha256(data), size=len(data))


def test_a_blob_is_there_when_it_is_committed(destination: Destination) -> None:
    with destination.stage() as stage:
        buffer = bytearray(b"one ")
        stage.write(memoryview(buffer))
        buffer[:] = b"two "
        stage.write(buffer)
        assert not destination.has(blob(b"one two "))
        stage.commit(sha256(b"one two "), 8)
    assert destination.has(blob(b"one two "))


def test_what_is_not_committed_is_discarded(destination: Destination) -> None:
    with contextlib.suppress(ZeroDivisionError), destination.stage() as stage:
        stage.write(b"data")
        raise ZeroDivisionError
    with destination.stage() as stage:
        stage.write(b"data")
    assert not destination.has(blob(b"data"))


@pytest.mark.parametrize(("digest", "size"), [(sha256(b"other"), 4), (sha256(b"data"), 5), (sha256(b"dat"), 3)])
def test_what_is_not_what_it_is_said_to_be_is_refused(destination: Destination, digest: Digest, size: int) -> None:
    with destination.stage() as stage:
        stage.write(b"data")
        with pytest.raises(DigestError):
            stage.commit(digest, size)
    assert not destination.has(blob(b"data"))
    assert not destination.has(Descriptor(media_type=media.LAYER, digest=sha256(b"other"), size=4))


def test_documents_are_checked_too(destination: Destination) -> None:
    destination.put(blob(b"{}"), given(b"{}"))
    assert destination.has(blob(b"{}"))
    with pytest.raises(DigestError):
        destination.put(blob(b"[]"), given(b"{}"))


def test_a_blob_of_another_size_is_not_the_one(destination: Destination) -> None:
    destination.put(blob(b"data"), given(b"data"))
    assert not destination.has(msgspec.structs.replace(blob(b"data"), size=5))


def test_blobs_are_staged_side_by_side(destination: Destination) -> None:
    with destination.stage() as one, destination.stage() as two:
        one.write(b"one")
        two.write(b"two")
        two.commit(sha256(b"two"), 3)
        one.commit(sha256(b"one"), 3)
    assert destination.has(blob(b"one"))
    assert destination.has(blob(b"two"))


@dataclass
class Watched:
    """A destination that records what is done to it."""

    inner: Destination
    events: list[str] = field(default_factory=list)

    @property
    def keeps_whole(self) -> bool:
        return self.inner.keeps_whole

    def has(self, blob: Descriptor) -> bool:
        return self.inner.has(blob)

    def stage(self) -> Staging:
        return WatchedStage(self.inner.stage(), self.events)

    def put(self, blob: Descriptor, body: Body) -> bool:
        needed = self.inner.put(blob, body)
        kinds = {media.CONFIG: "config", **dict.fromkeys(media.MANIFESTS, "manifest")}
        self.events.append(kinds.get(blob.media_type, "layer"))
        return needed

    def tag(self, name: str, root: Descriptor, data: bytes, /) -> None:
        assert self.inner.has(root)
        self.inner.tag(name, root, data)
        self.events.append(f"tag {name}")


@dataclass
class WatchedStage:
    inner: Staging
    events: list[str]

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.inner.__exit__(*raised)

    def write(self, block: Buffer, /) -> None:
        self.inner.write(block)

    def commit(self, digest: Digest, size: int) -> None:
        self.inner.commit(digest, size)
        self.events.append("layer")


def test_the_name_comes_last(destination: Destination) -> None:
    image = sample()
    watched = Watched(destination)
    published = publish(parcel_of(image), watched, "v1")
    assert watched.events == ["layer"] * 3 + ["config", "manifest", "tag v1"]
    assert [sent.written for sent in published.layers] == [True] * 4
    assert published.bytes_written == sum(layer.record.size for layer in image.layers[:3])
    assert published.root.digest == sha256(manifest_of(image))


def test_what_is_there_is_not_asked_for(destination: Destination) -> None:
    image = sample()
    publish(parcel_of(image), destination, "v1")
    more = image_with(*image.layers, layer_of(tar_of({"new": b"new"})))
    published = publish(parcel_of(more), destination, "v2")
    assert [sent.written for sent in published.layers] == [False] * 4 + [True]
    assert published.bytes_written == more.layers[4].record.size
    assert [held(layer).asked for layer in more.layers] == [1] * 5


def test_progress_is_told_to_the_end(destination: Destination) -> None:
    image = sample()
    told: dict[str, tuple[int, int]] = {}
    publish(parcel_of(image), destination, "v1", lambda name, done, expected: told.update({name: (done, expected)}))
    assert told == {layer.name: (layer.record.size, layer.record.size) for layer in image.layers}


class Failing(Held):
    """Fails after half of its bytes, once `after` is set."""

    after = threading.Event()

    def blob(self, sink: Sink) -> None:
        sink(self.blob_bytes[: len(self.blob_bytes) // 2])
        assert self.after.wait(60)
        raise LamellaError("the disk is on fire")


class Endless(Held):
    """Continues until it is stopped."""

    def blob(self, sink: Sink) -> None:
        while True:
            sink(b"more")
            Failing.after.set()


def with_content(layer: Layer, kind: type[Held]) -> Layer:
    return replace(layer, content=kind(held(layer).tar_bytes, held(layer).blob_bytes))


def test_when_a_layer_fails_the_others_stop_and_nothing_is_named(destination: Destination) -> None:
    good, bad, endless = (layer_of(tar_of({name: name.encode()}), name=name) for name in ("good", "bad", "endless"))
    Failing.after.clear()
    image = image_with(good, with_content(bad, Failing), with_content(endless, Endless))
    watched = Watched(destination)
    with pytest.raises(LamellaError, match="on fire"):
        publish(parcel_of(image), watched, "v1")
    assert set(watched.events) <= {"layer"}
    assert not destination.has(bad.descriptor)
    assert not destination.has(endless.descriptor)


def test_a_layer_that_is_not_what_its_record_says_is_not_taken(destination: Destination) -> None:
    layer = layer_of(tar_of({"a": b"a"}))
    lying = replace(layer, content=Held(b"", held(layer).blob_bytes[:-1] + b"\xff"))
    with pytest.raises(DigestError):
        publish(parcel_of(image_with(lying)), destination, "v1")
    assert not destination.has(layer.descriptor)
