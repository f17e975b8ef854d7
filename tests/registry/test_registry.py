"""The client against a registry that misbehaves: what arrives is correct, or one clear line says why nothing did."""

import contextlib
import threading
from collections.abc import Iterator

import pytest
from tests.registry.fake import Fake, Trouble, serving
from tests.registry.reach import LARGE, Reach, blob, read

from lamella.destinations.publish import given
from lamella.oci import media
from lamella.oci.digest import DigestError, sha256
from lamella.registry.credentials import parse_credential
from lamella.registry.errors import CredentialError, RegistryError
from lamella.registry.repository import Repository
from lamella.registry.streaming import UPLOADING, StreamedUpload
from lamella.registry.upload import upload
from lamella.transport.credential import Credential
from lamella.transport.retry import TRIES

_OPEN = contextlib.ExitStack()


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No connection outlives its test."""
    with _OPEN:
        yield


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving(Fake()) as fake:
        yield fake


def repository(fake: Fake, said: Credential | None = None, waits: list[float] | None = None) -> Repository:
    """A repository in the fake registry; the client's waits are added to `waits`."""
    return _OPEN.enter_context(Reach(fake.name, said, waits=[] if waits is None else waits).repository())


def test_a_blob_goes_up_in_one_request_and_comes_down(fake: Fake) -> None:
    to = repository(fake)
    assert not to.has_blob(sha256(LARGE), len(LARGE))
    upload(to, blob(LARGE), given(LARGE))
    assert to.has_blob(sha256(LARGE), len(LARGE))
    assert [line.partition(" ")[0] for line in fake.asked] == ["HEAD", "POST", "PUT", "HEAD"]
    assert read(to, LARGE) == LARGE
    assert to.delete_blob(sha256(LARGE))
    assert not to.delete_blob(sha256(LARGE))


@pytest.mark.parametrize("cut", [0, 1, 400_000, 899_999])
@pytest.mark.parametrize("times", [1, 3])
def test_an_upload_that_is_cut_goes_on_where_it_ended(fake: Fake, cut: int, times: int) -> None:
    fake.trouble = [Trouble("^(PUT|PATCH) .*/uploads/", times, cut=cut)]
    upload(repository(fake), blob(LARGE), given(LARGE))
    assert fake.blobs["team/app"][sha256(LARGE)] == LARGE


def test_a_session_that_is_forgotten_begins_anew(fake: Fake) -> None:
    fake.trouble = [Trouble("^PUT .*/uploads/", cut=1000), Trouble("^GET .*/uploads/", status=404)]
    upload(repository(fake), blob(LARGE), given(LARGE))
    assert fake.blobs["team/app"][sha256(LARGE)] == LARGE


def test_an_upload_that_never_ends_well_is_given_up(fake: Fake) -> None:
    fake.trouble = [Trouble("^(PUT|PATCH) .*/uploads/", 99, cut=0)]
    with pytest.raises(RegistryError, match=rf"cannot be reached for the blob {sha256(LARGE)} \(900 kB\) in team/app"):
        upload(repository(fake), blob(LARGE), given(LARGE))
    assert 99 - fake.trouble[0].times <= 2 * TRIES
    assert fake.uploads == {}


@pytest.mark.parametrize("cut", [0, 1, 100_000, 899_999])
def test_a_download_that_is_cut_goes_on_where_it_ended(fake: Fake, cut: int) -> None:
    fake.blobs["team/app"] = {sha256(LARGE): LARGE}
    fake.trouble = [Trouble("^GET .*/blobs/sha256", 3, cut=cut)]
    assert read(repository(fake), LARGE) == LARGE


def test_what_is_something_else_is_not_believed(fake: Fake) -> None:
    fake.blobs["team/app"] = {sha256(LARGE): LARGE[:-1] + b"?"}
    with pytest.raises(DigestError, match="something else"):
        read(repository(fake), LARGE)
    fake.blobs["team/app"] = {sha256(LARGE): LARGE + b"?"}
    with pytest.raises(RegistryError, match="more than the 900000 bytes"):
        read(repository(fake), LARGE)
    data = b'{"schemaVersion":2,"config":1}'
    fake.manifests["team/app"] = {sha256(b"x"): (media.MANIFEST, data)}
    with pytest.raises(DigestError):
        repository(fake).manifest(sha256(b"x"))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_waited_for(fake: Fake, status: int) -> None:
    waits: list[float] = []
    to = repository(fake, waits=waits)
    fake.trouble = [Trouble("GET", 3, status, {"Retry-After": "7"})]
    assert to.manifest("v1") is None
    assert waits == [7, 7, 7]
    fake.trouble = [Trouble("GET", 99, status)]
    with pytest.raises(RegistryError, match=rf"refuses team/app:v1: {status} \(TROUBLE: no luck today\)"):
        to.manifest("v1")
    assert len(waits) == 3 + TRIES - 1
    assert max(waits[3:]) < 60


def test_a_registry_that_is_not_there_is_named() -> None:
    with serving(Fake()) as gone:
        pass
    with pytest.raises(RegistryError, match=rf"{gone.name} cannot be reached"):
        repository(gone).has_blob(sha256(b""), 0)


def test_a_layer_that_is_too_large_is_named_with_its_size(fake: Fake) -> None:
    fake.largest = 1000
    said = rf"refuses the blob {sha256(LARGE)} \(900 kB\) in team/app: 413; 900 kB is more than .* max_bytes"
    with pytest.raises(RegistryError, match=said):
        upload(repository(fake), blob(LARGE), given(LARGE))
    assert fake.uploads == {}


def test_blobs_are_mounted_from_others_and_else_not(fake: Fake) -> None:
    fake.blobs["team/base"] = {sha256(LARGE): LARGE}
    assert not upload(repository(fake), blob(LARGE), given(LARGE), ["none", "team/base"])
    assert len(fake.uploads) == 0
    assert upload(repository(fake), blob(b"other"), given(b"other"), ["none", "team/base"])
    assert fake.uploads == {}
    assert fake.blobs["team/app"] == {sha256(LARGE): LARGE, sha256(b"other"): b"other"}


def test_a_blob_goes_up_while_it_is_made(fake: Fake) -> None:
    with StreamedUpload(repository(fake)) as going:
        for start in range(0, len(LARGE), 100_000):
            buffer = bytearray(LARGE[start : start + 100_000])
            going.write(memoryview(buffer))
            buffer[:] = bytes(len(buffer))
        going.commit(sha256(LARGE), len(LARGE))
    assert fake.blobs["team/app"][sha256(LARGE)] == LARGE
    with StreamedUpload(repository(fake)) as going:
        going.write(b"data")
        with pytest.raises(DigestError):
            going.commit(sha256(b"other"), 4)


def test_an_upload_that_is_abandoned_is_cancelled(fake: Fake) -> None:
    with contextlib.suppress(ZeroDivisionError), StreamedUpload(repository(fake)) as going:
        going.write(b"data")
        raise ZeroDivisionError
    assert fake.uploads == {}


@pytest.mark.parametrize("trouble", [Trouble("^PATCH", 99, cut=1000), Trouble("^POST", 99, 503)])
def test_an_upload_that_fails_stops_nobody(fake: Fake, trouble: Trouble) -> None:
    fake.trouble = [trouble]
    with StreamedUpload(repository(fake)) as going:
        for _ in range(50):
            going.write(LARGE)
        going.commit(sha256(LARGE * 50), len(LARGE) * 50)
    assert fake.blobs == {}
    with contextlib.suppress(ZeroDivisionError), StreamedUpload(repository(fake)) as going:
        going.write(LARGE)
        raise ZeroDivisionError
    assert not any(thread.name == UPLOADING for thread in threading.enumerate())


def test_who_may_not_write_is_told_before_all_is_made(fake: Fake) -> None:
    fake.trouble = [Trouble("^POST", 99, 403)]
    with pytest.raises(RegistryError, match="may not do this"):
        write_endlessly(StreamedUpload(repository(fake)))


def write_endlessly(going: StreamedUpload) -> None:
    with going:
        while True:
            going.write(LARGE)


def test_who_asks_says_who_it_is(fake: Fake) -> None:
    fake.user, fake.password = "me", "s3cr:t"
    with pytest.raises(RegistryError, match=rf"401 \(UNAUTHORIZED\); log in with: docker login {fake.name}"):
        repository(fake).manifest("v1")
    assert repository(fake, said=parse_credential("me:s3cr:t")).has_blob(sha256(b""), 0) is False


def test_tokens_are_fetched_once_and_again_when_they_end(fake: Fake) -> None:
    fake.user, fake.password, fake.token = "me", "secret", "one"
    to = repository(fake, said=Credential("me", "secret"))
    for _ in range(3):
        upload(to, blob(LARGE), given(LARGE))
    assert fake.tokens == 1
    fake.token = "two"
    upload(to, blob(b"more"), given(b"more"))
    assert fake.blobs["team/app"][sha256(b"more")] == b"more"
    with pytest.raises(CredentialError, match=r"no token to you \(from FILE\): 401 \(DENIED: who are you\)"):
        repository(fake, said=Credential("you", "secret", source="FILE")).has_blob(sha256(b""), 0)
    assert repository(fake, said=Credential(identity_token="secret-identity")).has_blob(sha256(b""), 0) is False


def test_a_token_that_ends_in_the_middle_is_renewed(fake: Fake) -> None:
    fake.user, fake.password, fake.token = "me", "secret", "one"
    to = repository(fake, said=Credential("me", "secret"))
    demand = {"WWW-Authenticate": f'Bearer realm="http://{fake.name}/token",service="fake"'}
    fake.trouble = [Trouble("^PUT .*/uploads/", 1, 401, demand)]
    upload(to, blob(LARGE), given(LARGE))
    assert fake.blobs["team/app"].pop(sha256(LARGE)) == LARGE
    fake.trouble = [Trouble("^PATCH", 1, 401, demand)]
    with StreamedUpload(to) as going:
        for _ in range(20):
            going.write(LARGE)
        going.commit(sha256(LARGE * 20), len(LARGE) * 20)
    assert fake.blobs == {"team/app": {}}  # whoever publishes sends it anew


def test_credentials_stay_with_the_registry_that_they_are_for(fake: Fake) -> None:
    fake.user, fake.password = "me", "secret"
    with serving(Fake()) as elsewhere:
        elsewhere.blobs["team/app"] = {sha256(LARGE): LARGE}
        path = f"/v2/team/app/blobs/{sha256(LARGE)}"
        fake.trouble = [Trouble("^GET .*/blobs/", 1, 307, {"Location": f"http://{elsewhere.name}{path}"})]
        assert read(repository(fake, said=Credential("me", "secret")), LARGE) == LARGE
        assert elsewhere.asked == [f"GET {path}"]
        assert elsewhere.told == [None]
