"""Passwords and tokens reach those they are for, encrypted, and nobody else."""

import contextlib
import re
from email.message import Message
from pathlib import Path

import pytest
from tests.registry.fake import Fake, Trouble, serving
from tests.registry.reach import NOBODY, Reach
from tests.registry.test_connections import server_side

from lamella.registry.challenge import Challenge
from lamella.registry.credentials import Keychain
from lamella.registry.errors import CredentialError, RegistryError
from lamella.registry.host import Host
from lamella.registry.messages import Answer
from lamella.registry.tokens import Authorization, pull
from lamella.transport.connections import Settings
from lamella.transport.credential import Credential
from lamella.transport.errors import TransportError
from lamella.transport.fetch import Fetcher

ME = Credential("me", "secret")


def asked_for(realm: str, credential: Credential | None, *, insecure: bool = False) -> list[tuple[str, str]]:
    """Which requests are sent for a token from `realm`, with which authorization."""
    sent = []

    def fetch(_method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        sent.append((url.partition("?")[0], headers.get("Authorization", body.decode())))
        return Answer(200, Message(), b'{"token":"t"}', url)

    authorization = Authorization("r.io", lambda _: credential, fetch, insecure=insecure)
    assert authorization.renew([Challenge("bearer", {"realm": realm})], [pull("a")], "")
    assert authorization.header([pull("a")]) == "Bearer t"
    return sent


@pytest.mark.parametrize("credential", [ME, Credential(identity_token="secret")])
def test_a_password_is_not_sent_in_the_open_for_a_token(credential: Credential) -> None:
    open_realm = "http://auth.r.io/token"
    with pytest.raises(CredentialError, match=f"wants the password sent unencrypted to {re.escape(open_realm)}"):
        asked_for(open_realm, credential)
    assert asked_for(open_realm, None) == [(open_realm, "")]
    for realm, insecure in (
        ("https://auth.r.io/token", False),
        ("http://127.0.0.1:1/token", False),
        (open_realm, True),
    ):
        ((url, told),) = asked_for(realm, credential, insecure=insecure)
        assert url == realm
        assert told == ME.basic if credential is ME else "refresh_token=secret" in told


def test_what_is_encrypted_leads_to_nothing_that_is_not() -> None:
    with contextlib.closing(Host("r.io", Keychain(NOBODY), Settings())) as host:
        assert host.joined("https://r.io/v2/", "http://r.io/next") == "https://r.io/next"
        assert host.joined("https://r.io/v2/", "https://cdn.io/x") == "https://cdn.io/x"
        for where in ("http://cdn.io/x", "http://r.io:80/x"):
            with pytest.raises(RegistryError, match="which is not encrypted"):
                host.joined("https://r.io/v2/", where)
        with pytest.raises(TransportError, match="not a usable address"):
            host.joined("https://r.io/v2/", "file:///etc/passwd")


def test_a_token_stays_with_the_registry_that_it_is_for() -> None:
    with serving(Fake(user="me", password="secret", token="t")) as fake, serving(Fake()) as elsewhere:
        with Reach(fake.name, ME).repository() as repository:
            assert repository.manifest("v1") is None
            demand = {"WWW-Authenticate": f'Bearer realm="http://{elsewhere.name}/token"'}
            elsewhere.trouble = [Trouble("", 9, 401, demand)]
            fake.trouble = [Trouble("^GET", 1, 307, {"Location": f"http://{elsewhere.name}/v2/"})]
            with pytest.raises(RegistryError, match="401"):
                repository.manifest("v1")
        assert elsewhere.told == [None]
        assert elsewhere.asked == ["GET /v2/"]


@pytest.mark.real
def test_a_download_that_is_encrypted_stays_so(tmp_path: Path) -> None:
    with serving(Fake()) as there, serving(Fake(), server_side(tmp_path)) as here:
        here.trouble = [Trouble("", 9, 307, {"Location": f"http://{there.name}/file"})]
        settings = Settings(ca_file=str(tmp_path / "server.crt"), timeout=5)
        with (
            contextlib.closing(Fetcher(settings)) as fetcher,
            pytest.raises(TransportError, match="which is not encrypted"),
        ):
            fetcher.document(f"https://{here.name}/file")
        assert there.asked == []
