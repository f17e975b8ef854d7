"""One contract for all registries: our own, and Debian's docker-registry plain, with TLS, passwords and tokens."""

import contextlib
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.real.programs import certificate
from tests.real.registries import real_registry
from tests.real.tokens import giving_tokens
from tests.registry.fake import Fake, serving
from tests.registry.reach import HUGE, LARGE, Reach, blob, read

from lamella.destinations.publish import given
from lamella.oci import media
from lamella.oci.digest import DigestError, sha256
from lamella.oci.image import Sink
from lamella.oci.wire import encode
from lamella.registry.errors import RegistryError
from lamella.registry.referrers import put_referrer, referrers
from lamella.registry.repository import Repository
from lamella.registry.streaming import StreamedUpload
from lamella.registry.upload import upload
from lamella.transport.connections import Settings
from lamella.transport.credential import Credential

ME = Credential("me", "secret")
HASHED = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
"""`secret`, hashed as little as can be, by: perl -e 'print crypt("secret", q($2b$04$abcdefghijklmnopqrstuu))'"""


@contextlib.contextmanager
def plain(_folder: Path) -> Iterator[Reach]:
    with serving(Fake()) as fake:
        yield Reach(fake.name)


@contextlib.contextmanager
def old(_folder: Path) -> Iterator[Reach]:
    with serving(Fake(has_referrers=False, tells_sizes=False, monolithic=False, page=2)) as fake:
        yield Reach(fake.name)


@contextlib.contextmanager
def tls(folder: Path) -> Iterator[Reach]:
    crt, key = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(crt, key)
    with serving(Fake(user="me", password="secret"), context) as fake:
        yield Reach(fake.name, ME, Settings(ca_file=str(crt)))


@contextlib.contextmanager
def tokens(_folder: Path) -> Iterator[Reach]:
    with serving(Fake(user="me", password="secret", token="one", token_lasts=30)) as fake:
        yield Reach(fake.name, ME)


@contextlib.contextmanager
def real_plain(folder: Path) -> Iterator[Reach]:
    with real_registry(folder) as name:
        yield Reach(name)


@contextlib.contextmanager
def real_tls(folder: Path) -> Iterator[Reach]:
    crt, key = certificate(folder)
    with real_registry(folder, {"tls": {"certificate": str(crt), "key": str(key)}}) as name:
        trusted = folder / "certs.d" / name
        trusted.mkdir(parents=True)
        (trusted / "ca.crt").write_bytes(crt.read_bytes())
        yield Reach(name, settings=Settings(certificates=(folder / "certs.d",)))


@contextlib.contextmanager
def real_htpasswd(folder: Path) -> Iterator[Reach]:
    (folder / "passwords").write_text(f"me:{HASHED}\n")
    auth = {"htpasswd": {"realm": "test", "path": str(folder / "passwords")}}
    with real_registry(folder, auth=auth) as name:
        yield Reach(name, ME)


@contextlib.contextmanager
def real_tokens(folder: Path, said: Credential = ME) -> Iterator[Reach]:
    crt, key = certificate(folder)
    with (
        giving_tokens(crt, key) as server,
        real_registry(folder, auth={"token": {**server.settings, "rootcertbundle": str(crt)}}) as name,
    ):
        yield Reach(name, said)


@contextlib.contextmanager
def real_identity_tokens(folder: Path) -> Iterator[Reach]:
    with real_tokens(folder, Credential(identity_token="identity")) as reach:
        yield reach


REAL = [real_plain, real_tls, real_htpasswd, real_tokens, real_identity_tokens]


@pytest.fixture(params=[plain, old, tls, tokens, *(pytest.param(real, marks=pytest.mark.real) for real in REAL)])
def reach(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reach]:
    with request.param(tmp_path) as reach:
        yield reach


@pytest.fixture
def repository(reach: Reach) -> Iterator[Repository]:
    with reach.repository() as repository:
        yield repository


def put_image(repository: Repository, tag: str) -> bytes:
    """A manifest without layers, under a tag."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    upload(repository, blob(config), given(config))
    told = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": blob(config, media.CONFIG), "layers": []}
    data = encode({**told, "annotations": {"tag": tag}})
    repository.put_manifest(tag, media.MANIFEST, data)
    return data


@pytest.mark.parametrize("data", [b"", b"1", LARGE, HUGE], ids=len)
def test_a_blob_goes_up_and_comes_down(repository: Repository, data: bytes) -> None:
    assert not repository.has_blob(sha256(data), len(data))
    assert upload(repository, blob(data), given(data))
    assert repository.has_blob(sha256(data), len(data))
    assert read(repository, data) == data
    assert upload(repository, blob(data), given(data))


@pytest.mark.parametrize("size", [0, 1, 100_000], ids=str)
def test_a_blob_goes_up_while_it_is_made(repository: Repository, size: int) -> None:
    data = LARGE[:size]
    with StreamedUpload(repository) as going:
        for start in range(0, size, 30_000):
            going.write(data[start : start + 30_000])
        going.commit(sha256(data), size)
    assert read(repository, data) == data


def test_many_go_up_side_by_side(repository: Repository) -> None:
    blobs = [LARGE[start:] for start in range(40)]

    def bring(data: bytes) -> None:
        upload(repository, blob(data), given(data))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bring, blobs))
    assert all(repository.has_blob(sha256(data), len(data)) for data in blobs)


def test_a_blob_is_mounted_from_beside(reach: Reach, repository: Repository) -> None:
    def unread(_sink: Sink) -> None:
        pytest.fail("the bytes are there already")

    with reach.repository("team/base") as base:
        upload(base, blob(LARGE), given(LARGE))
    assert not upload(repository, blob(LARGE), unread, ["team/none", "team/base"])
    assert read(repository, LARGE) == LARGE
    assert upload(repository, blob(b"new"), given(b"new"), ["team/none", "team/base"])
    assert read(repository, b"new") == b"new"


@pytest.mark.parametrize("wrong", [LARGE[:-1], LARGE + b"?", LARGE[:-1] + b"?"], ids=["short", "long", "other"])
def test_what_is_not_what_it_should_be_is_refused(repository: Repository, wrong: bytes) -> None:
    with pytest.raises(DigestError):
        upload(repository, blob(LARGE), given(wrong))
    with StreamedUpload(repository) as going:
        going.write(wrong)
        with pytest.raises(DigestError):
            going.commit(sha256(LARGE), len(wrong))
    if repository.has_blob(sha256(LARGE), len(LARGE)):
        assert wrong.startswith(LARGE)
        assert read(repository, LARGE) == LARGE


def test_manifests_have_tags(repository: Repository) -> None:
    assert repository.manifest("v1") is None
    written = {tag: put_image(repository, tag) for tag in ("v1", "v2", "v3", "v4", "v5")}
    assert sorted(repository.tags()) == sorted(written)
    for tag, data in written.items():
        assert repository.manifest(tag) == (blob(data, media.MANIFEST), data)
        assert repository.manifest(sha256(data)) == (blob(data, media.MANIFEST), data)
    assert repository.has_manifest("v1")
    assert not repository.has_manifest("none")


def test_what_refers_to_a_manifest_is_found(repository: Repository) -> None:
    subject = blob(put_image(repository, "v1"), media.MANIFEST)
    assert list(referrers(repository, subject.digest)) == []
    written = []
    for kind in ("application/vnd.example.one", "application/vnd.example.two"):
        empty = blob(b"{}", kind)
        upload(repository, empty, given(b"{}"))
        told = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": empty, "layers": [], "subject": subject}
        written.append(put_referrer(repository, media.MANIFEST, encode(told)).digest)
        assert put_referrer(repository, media.MANIFEST, encode(told)).digest == written[-1]
    assert sorted(found.digest for found in referrers(repository, subject.digest)) == sorted(written)


def test_what_is_removed_is_gone(repository: Repository) -> None:
    data = put_image(repository, "v1")
    upload(repository, blob(LARGE), given(LARGE))
    assert repository.delete_blob(sha256(LARGE))
    assert not repository.has_blob(sha256(LARGE), len(LARGE))
    assert not repository.delete_blob(sha256(b"none"))
    assert repository.delete_manifest(sha256(data))
    assert not repository.has_manifest(sha256(data))
    assert not repository.delete_manifest(sha256(data))


def test_a_manifest_whose_blobs_are_missing_is_refused(repository: Repository) -> None:
    told = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": blob(b"none", media.CONFIG), "layers": []}
    with pytest.raises(RegistryError, match=r"refuses the manifest team/app:v1: 40[04] \(MANIFEST_BLOB_UNKNOWN"):
        repository.put_manifest("v1", media.MANIFEST, encode(told))
    assert repository.manifest("v1") is None


def test_strangers_are_told_to_log_in(reach: Reach) -> None:
    if not reach.said:
        return
    with reach.repository(said=Credential("me", "wrong")) as repository:
        with pytest.raises(RegistryError, match=f"docker login {reach.name}") as raised:
            upload(repository, blob(LARGE), given(LARGE))
        with pytest.raises(RegistryError, match=f"docker login {reach.name}"):
            list(repository.tags())
    assert "wrong" not in str(raised.value)
    assert reach.waits == []


def test_tags_of_nothing(repository: Repository) -> None:
    with contextlib.suppress(RegistryError):  # or none
        assert list(repository.tags()) == []
