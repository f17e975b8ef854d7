"""Mirrors of another registry."""

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.made import sample
from tests.registry.fake import Fake, Trouble, serving
from tests.server.running import open_registry, running

from lamella.cache.folder import Folder
from lamella.cache.repositories import Manifest
from lamella.cache.repositories import Repository as Stored
from lamella.destinations.publish import publish
from lamella.destinations.registry import RegistryDestination
from lamella.oci.digest import Digest, sha256
from lamella.oci.image import Image, parcel_of
from lamella.oci.reference import Reference
from lamella.registry.registries import Registries
from lamella.registry.repository import Repository
from lamella.server import mirrors
from lamella.server.mirrors import Mirror, Mirrors


@contextlib.contextmanager
def seen_through(folder: Path, upstream: str, largest: int | None = None, login: str = "") -> Iterator[Repository]:
    """`up/team/app` of our registry, a mirror of `team/app` of the other one; `login` is our login there."""
    creds = [f"{upstream}={login}"] if login else []
    with contextlib.closing(Registries({"HOME": "/nowhere"}, creds)) as registries:

        def origin() -> Mirrors:
            return Mirrors(Folder(folder), [Mirror(name="up", origin=upstream)], registries, largest)

        with running(lambda: open_registry(Folder(folder), origin(), writable=False)) as name:
            yield registries.repository(Reference(name, "up/team/app", ""))


def asked(url: str) -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def upstream() -> Iterator[Fake]:
    with serving(Fake()) as fake:
        yield fake


def push(image: Image, fake: Fake, tag: str = "v1") -> None:
    with contextlib.closing(Registries({"HOME": "/nowhere"})) as registries:
        publish(parcel_of(image), RegistryDestination(registries.repository(Reference(fake.name, "team/app", ""))), tag)
    fake.asked.clear()


def pull(repository: Repository, image: Image, reference: str = "v1") -> None:
    """Pull everything in `image`, and check it."""
    found = repository.manifest(reference)
    assert found
    assert found[0].digest == parcel_of(image).root.digest
    blobs = [image.config_descriptor, *(layer.descriptor for layer in image.layers)]
    for blob in blobs:
        data = bytearray()
        repository.read_blob(blob, data.extend)
        assert sha256(bytes(data)) == blob.digest


def test_what_was_pulled_once_is_kept(tmp_path: Path, upstream: Fake) -> None:
    image = sample()
    push(image, upstream)
    with seen_through(tmp_path, upstream.name) as repository:
        pull(repository, image)
        asked = [one for one in upstream.asked if "/blobs/" in one]
        pull(repository, image)
        assert [one for one in upstream.asked if "/blobs/" in one] == asked


def test_a_tag_that_moves_is_seen(tmp_path: Path, upstream: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "_FRESH", -1.0)
    one, other = sample(), sample("amd64", "gzip")
    push(one, upstream)
    with seen_through(tmp_path, upstream.name) as repository:
        pull(repository, one)
        push(other, upstream)
        pull(repository, other)
        pull(repository, one, parcel_of(one).root.digest)


def test_it_is_there_when_the_other_is_not(tmp_path: Path) -> None:
    image = sample()
    with serving(Fake()) as upstream:
        push(image, upstream)
        with seen_through(tmp_path, upstream.name) as repository:
            pull(repository, image)
    with seen_through(tmp_path, upstream.name) as repository:
        pull(repository, image)
        status, said = asked(f"http://{repository.host.name}/v2/up/team/app/manifests/v2")
        assert status == 503
        assert b"cannot be reached" in said


def test_what_the_other_has_not_is_unknown(tmp_path: Path, upstream: Fake) -> None:
    push(sample(), upstream)
    with seen_through(tmp_path, upstream.name) as repository:
        assert repository.manifest("v2") is None
        assert repository.manifest(sha256(b"nothing")) is None
        assert not repository.has_blob(sha256(b"nothing"), 1)
        assert Repository(repository.host, "other/team/app").manifest("v1") is None


def test_a_hundred_pulls_are_one(tmp_path: Path, upstream: Fake) -> None:
    image = sample()
    push(image, upstream)
    with seen_through(tmp_path, upstream.name) as repository, ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: pull(repository, image), range(100)))
    blobs = [one for one in upstream.asked if one.startswith("GET") and "/blobs/" in one]
    assert len(blobs) == len({layer.record.digest for layer in image.layers}) + 1


def test_a_repository_may_be_called_like_a_tag(tmp_path: Path, upstream: Fake) -> None:
    image = sample()
    push(image, upstream, "web")
    with seen_through(tmp_path, upstream.name) as repository:
        below = Repository(repository.host, "up/team/app/web")
        with contextlib.closing(Registries({"HOME": "/nowhere"})) as registries:
            there = registries.repository(Reference(upstream.name, "team/app/web", ""))
            publish(parcel_of(image), RegistryDestination(there), "v1")
        pull(repository, image, "web")
        pull(below, image, "v1")


def test_whatever_is_asked_for_manifests_are_read_once(
    tmp_path: Path, upstream: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Digest] = []
    manifest = Stored.manifest

    def noted(self: Stored, digest: Digest) -> Manifest | None:
        read.append(digest)
        return manifest(self, digest)

    monkeypatch.setattr(Stored, "manifest", noted)
    image = sample()
    push(image, upstream)
    with seen_through(tmp_path, upstream.name) as repository:
        pull(repository, image)
        read.clear()
        assert not any(repository.has_blob(sha256(bytes([number])), 1) for number in range(9))
    assert not read


def test_what_is_too_large_is_not_fetched(tmp_path: Path, upstream: Fake) -> None:
    image = sample()
    push(image, upstream)
    layer = image.layers[0].record
    for largest, status in ((layer.size - 1, 403), (layer.size, 200)):
        with seen_through(tmp_path, upstream.name, largest) as repository:
            address = f"http://{repository.host.name}/v2/up/team/app"
            assert asked(f"{address}/manifests/v1")[0] == 200
            assert asked(f"{address}/blobs/{layer.digest}")[0] == status
        fetched = [one for one in upstream.asked if one.startswith("GET") and "/blobs/" in one]
        assert len(fetched) == (status == 200)


@pytest.mark.parametrize("kind", ["application/x", "x\r\nX-Evil: 1", "\ud800"])
def test_what_is_no_manifest_is_not_passed_on(tmp_path: Path, upstream: Fake, kind: str) -> None:
    body = json.dumps({"schemaVersion": 2, "mediaType": kind}).encode()
    upstream.trouble.append(Trouble("GET .*/manifests/", times=100, status=200, body=body))
    with seen_through(tmp_path, upstream.name) as repository:
        status, said = asked(f"http://{repository.host.name}/v2/up/team/app/manifests/v1")
    assert status == 503
    assert b"leads to" in said
    assert not list(Folder(tmp_path).list())


@pytest.mark.parametrize("what", ["/blobs/", "/manifests/"])
def test_a_lie_is_not_passed_on(tmp_path: Path, upstream: Fake, what: str) -> None:
    image = sample()
    push(image, upstream)
    upstream.trouble.append(Trouble(f"GET .*{what}", times=100, status=200, body=b"x" * image.layers[0].record.size))
    with seen_through(tmp_path, upstream.name) as repository:
        address = f"http://{repository.host.name}/v2/up/team/app"
        manifest, _ = asked(f"{address}/manifests/v1")
        blob, _ = asked(f"{address}/blobs/{image.layers[0].record.digest}")
        assert (manifest, blob) == ((503, 404) if what == "/manifests/" else (200, 503))
    assert not list(Folder(tmp_path).list("layers/"))


@pytest.mark.parametrize(("theirs", "ours", "code"), [(401, 404, "MANIFEST_UNKNOWN"), (403, 403, "DENIED")])
def test_what_the_other_refuses_is_refused_for_good(
    tmp_path: Path, upstream: Fake, theirs: int, ours: int, code: str
) -> None:
    upstream.trouble.append(Trouble("GET .*/manifests/", times=100, status=theirs))
    with seen_through(tmp_path, upstream.name) as repository:
        status, said = asked(f"http://{repository.host.name}/v2/up/team/app/manifests/v1")
    (told,) = json.loads(said)["errors"]
    assert (status, told["code"]) == (ours, code)
    assert "no luck today" in told["detail"]


@pytest.mark.parametrize(("theirs", "ours"), [(401, 404), (403, 403), (404, 404), (500, 503)])
def test_refused_blobs_get_the_same_answers_as_manifests(
    tmp_path: Path, upstream: Fake, caplog: pytest.LogCaptureFixture, theirs: int, ours: int
) -> None:
    image = sample()
    push(image, upstream)
    upstream.trouble.append(Trouble("GET .*/blobs/", times=100, status=theirs))
    with seen_through(tmp_path, upstream.name) as repository:
        address = f"http://{repository.host.name}/v2/up/team/app"
        assert asked(f"{address}/manifests/v1")[0] == 200
        assert asked(f"{address}/blobs/{image.layers[0].record.digest}")[0] == ours
    assert f"{upstream.name} refuses the blob" in caplog.text


@pytest.mark.parametrize("token", ["", "a-token"])
@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_a_wrong_login_of_the_server_is_not_a_missing_image(
    tmp_path: Path, upstream: Fake, caplog: pytest.LogCaptureFixture, what: str, token: str
) -> None:
    image = sample()
    push(image, upstream)
    with seen_through(tmp_path, upstream.name) as repository:
        assert asked(f"http://{repository.host.name}/v2/up/team/app/manifests/v1")[0] == 200
    upstream.user, upstream.password, upstream.token = "bob", "right", token
    reference = "v2" if what == "manifests" else image.layers[0].record.digest
    with seen_through(tmp_path, upstream.name, login="bob:wrong") as repository:
        status, said = asked(f"http://{repository.host.name}/v2/up/team/app/{what}/{reference}")
    assert (status, json.loads(said)["errors"][0]["code"]) == (502, "UNAVAILABLE")
    assert b"bob" not in said
    assert f"this server cannot log in to {upstream.name}: " in caplog.text
    assert "bob" in caplog.text
    assert "wrong" not in caplog.text


def test_clients_do_not_learn_which_login_the_server_has(tmp_path: Path, upstream: Fake) -> None:
    upstream.user, upstream.password, upstream.token = "bob", "right", "a-token"
    upstream.trouble.append(
        Trouble("GET /v2/", 100, 401, {"WWW-Authenticate": f'Bearer realm="http://{upstream.name}/token"'})
    )
    with seen_through(tmp_path, upstream.name, login="bob:right") as repository:
        status, said = asked(f"http://{repository.host.name}/v2/up/team/app/manifests/v1")
    assert (status, json.loads(said)["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    assert b"bob" not in said
