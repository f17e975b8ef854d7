"""How items are added to a repository while garbage is collected."""

import threading
import time
from pathlib import Path

import msgspec
import pytest
from tests.buckets import Memory
from tests.cache.pushed import blob, image, index, push
from tests.waiting import until

from lamella.cache import holds, publishing
from lamella.cache.folder import Folder
from lamella.cache.holds import DOOMED, HOLDS, BusyError, Doom, doomed, holding
from lamella.cache.publishing import Pulls, UnknownPartsError, mount, pin, pinned, publish, unpin, used
from lamella.cache.repositories import Manifest, Repository, blob_name
from lamella.oci import media
from lamella.oci.digest import DigestError, sha256
from lamella.oci.wire import WireError


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repository(clock: Clock) -> Repository:
    return Repository(Memory(clock), "team/app")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "_PAUSE", 0.001)


def doom(repository: Repository, *names: str, until: float = 1e12) -> None:
    repository.bucket.put(DOOMED, msgspec.json.encode(Doom("somebody", until, list(names))))


def test_a_manifest_with_all_its_parts(repository: Repository) -> None:
    manifest = push(repository, "one", "v1", "latest")
    assert repository.tagged("v1") == repository.tagged("latest") == manifest.digest
    assert repository.manifest(manifest.digest) == manifest
    assert not list(repository.bucket.list(HOLDS))


@pytest.mark.parametrize("missing", [0, 1])
def test_a_manifest_without_a_blob(repository: Repository, missing: int) -> None:
    blobs = [blob(repository, b"config"), blob(repository, b"layer")]
    repository.unlink(blobs[missing])
    with pytest.raises(UnknownPartsError, match="team/app lacks what") as raised:
        publish(repository, image(*blobs), "latest")
    assert raised.value.missing == (blobs[missing],)
    assert repository.tagged("latest") is None
    assert not list(repository.manifests())
    assert not list(repository.bucket.list(HOLDS))


def test_an_index_needs_its_images(repository: Repository) -> None:
    with pytest.raises(UnknownPartsError):
        publish(repository, index(sha256(b"nothing")))
    child = push(repository, "child")
    publish(repository, index(child.digest), "latest")
    assert repository.tagged("latest") == index(child.digest).digest


def test_an_index_of_blobs_as_caches_of_builds_are(repository: Repository) -> None:
    layer = blob(repository, b"layer")
    data = image(layer, layer).data.replace(b'"layers"', b'"manifests"')
    publish(repository, Manifest(sha256(data), media.INDEX, data), "cache")
    assert repository.tagged("cache") == sha256(data)


def test_layers_that_are_elsewhere_are_no_parts(repository: Repository) -> None:
    config = blob(repository, b"config")
    data = image(config, sha256(b"elsewhere")).data.replace(b'"size":3}]', b'"size":3,"urls":["https://x.test/"]}]')
    publish(repository, Manifest(sha256(data), media.MANIFEST, data))
    assert repository.has_manifest(sha256(data))


def test_what_refers_to_another_is_told(repository: Repository) -> None:
    subject = sha256(b"not there yet")
    config = blob(repository, b"config")
    plain, typed = image(config, subject=subject), image(config, subject=subject, kind="some/kind")
    assert publish(repository, plain) == subject
    publish(repository, typed)
    told = {one.digest: one for one in repository.referrers(subject)}
    assert {digest: one.artifact_type for digest, one in told.items()} == {
        plain.digest: media.CONFIG,
        typed.digest: "some/kind",
    }
    assert told[plain.digest].size == len(plain.data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"{", WireError),
        (b"[]", WireError),
        (b'{"config": {"mediaType": "x", "digest": "md5:1", "size": 1}}', DigestError),
    ],
)
def test_what_is_no_manifest(repository: Repository, data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        publish(repository, Manifest(sha256(data), media.MANIFEST, data), "latest")
    assert not list(repository.bucket.list())


def test_a_publisher_waits_for_what_is_being_removed(repository: Repository) -> None:
    manifest = image(blob(repository, b"config"))
    doom(repository, blob_name(sha256(b"config")))
    raised: list[BaseException] = []

    def attempt() -> None:
        with pytest.raises(UnknownPartsError) as caught:
            publish(repository, manifest, "latest")
        raised.append(caught.value)

    publisher = threading.Thread(target=attempt)
    publisher.start()
    until(lambda: list(repository.bucket.list(HOLDS)), "the publisher waits")
    assert not list(repository.manifests())
    repository.bucket.delete(blob_name(sha256(b"config")))
    doom(repository)
    publisher.join()
    assert len(raised) == 1
    assert repository.tagged("latest") is None


def test_nobody_waits_for_ever(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "_PATIENCE", 0.01)
    doom(repository, "a")
    with pytest.raises(BusyError, match="a is being removed"), holding(repository.bucket, "a"):
        pytest.fail("it is doomed")
    assert not list(repository.bucket.list(HOLDS))


def test_a_doom_ends_at_its_time(repository: Repository) -> None:
    doom(repository, "a", until=time.time() - holds.MARGIN + 5)
    assert doomed(repository.bucket, ("a", "b")) == {"a"}
    doom(repository, "a", until=time.time() - holds.MARGIN - 1)
    assert not doomed(repository.bucket, ("a", "b"))
    repository.bucket.put(DOOMED, b"damaged")
    assert not doomed(repository.bucket, ("a",))


def test_mounting(repository: Repository) -> None:
    digest = blob(Repository(repository.bucket, "other"), b"blob")
    assert repository.blob(digest) is None
    assert mount(repository, digest)
    assert repository.blob(digest) == 4
    assert not mount(repository, sha256(b"nothing"))


def test_who_asks_for_a_blob_marks_it_now_and_then(repository: Repository, clock: Clock) -> None:
    name = blob_name(blob(repository, b"blob"))
    written = {0: set[float](), 7200: {7200.0}, 7300: {7200.0}, 9100: {9100.0}}
    start = clock.now
    for passed, marks in written.items():
        clock.now = start + passed
        assert used(repository.bucket, name, clock.now)
        assert {item.used - start for item in repository.bucket.list("used/")} == marks
    assert not used(repository.bucket, "layers/gone", clock.now)


def test_a_blob_that_is_being_removed_is_not_there(repository: Repository, clock: Clock) -> None:
    name = blob_name(blob(repository, b"blob"))
    doom(repository, name)
    assert used(repository.bucket, name, clock.now), "new ones are not removed"
    clock.now += 7200
    assert not used(repository.bucket, name, clock.now)
    assert not used(repository.bucket, name, clock.now), "not even for the second client"


def test_pulls_are_written_once_an_hour(repository: Repository, clock: Clock) -> None:
    manifest = push(repository, "one")
    pulls = Pulls(repository.bucket)
    written = []
    for _ in range(8):
        assert pulls.pulled("team/app", manifest.digest, clock.now)
        written += [item.used for item in repository.bucket.list("pulls/team/app/_sha256-")]
        clock.now += 900
    assert sorted(set(written)) == [1_000_000, 1_003_600]


def test_what_is_being_removed_is_not_pulled(repository: Repository, clock: Clock) -> None:
    manifest = push(repository, "one")
    doom(repository, repository.at("_manifests", manifest.digest), "narinfo/main/abc")
    pulls = Pulls(repository.bucket)
    for _ in range(2):
        assert not pulls.pulled("team/app", manifest.digest)
        assert not pulls.pulled("nix/main", "abc")
    assert pulls.pulled("nix/main", "abd")
    doom(repository)
    assert pulls.pulled("team/app", manifest.digest)


def test_not_all_that_is_missing_is_looked_for(repository: Repository) -> None:
    manifest = image(*(sha256(str(number).encode()) for number in range(1000)))
    with pytest.raises(UnknownPartsError) as raised:
        publish(repository, manifest, "latest")
    assert len(raised.value.missing) == 5


def test_pulls_are_forgotten_in_time(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_REMEMBERED", 2)
    pulls = Pulls(repository.bucket)
    for hash_part in "abcabc":
        assert pulls.pulled("nix/main", hash_part)
        assert len(pulls._noted) <= 2


def test_no_repository_is_in_the_way_of_notes_about_another(tmp_path: Path) -> None:
    bucket = Folder(tmp_path)
    one = push(Repository(bucket, "app"), "one")
    name = f"app/{one.digest.replace(':', '-')}"
    other = push(Repository(bucket, name), "other")
    for repository, digest in ((name, other.digest), ("app", one.digest)):
        assert Pulls(bucket).pulled(repository, digest)
        assert pin(bucket, repository, digest)
    assert set(pinned(bucket)) == {("app", one.digest), (name, other.digest)}


def test_an_image_of_a_repository_that_is_called_as_caches_are(repository: Repository) -> None:
    manifest = push(Repository(repository.bucket, "nix/tools"), "one")
    assert pin(repository.bucket, "nix/tools", manifest.digest)
    assert list(pinned(repository.bucket)) == [("nix/tools", manifest.digest)]


def test_pins(repository: Repository) -> None:
    manifest = push(repository, "one")
    assert pin(repository.bucket, "team/app", manifest.digest)
    assert not pin(repository.bucket, "team/other", manifest.digest)
    pins = [item.name for item in repository.bucket.list("pins/")]
    assert pins == [f"pins/team/app/_{manifest.digest.replace(':', '-')}"]
    unpin(repository.bucket, "team/app", manifest.digest)
    assert not list(repository.bucket.list("pins/"))
