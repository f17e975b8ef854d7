"""Tokens of an issuer on loopback, and everything that makes such a token invalid."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.server.access.house import AUDIENCE, FakeIssuer, fetch, sections

from lamella.errors import LamellaError
from lamella.server.access.identity import Door, Identity
from lamella.server.access.oidc import Issuers
from lamella.server.answers import RefusedError

RIGHTS = 'rights = ["push:team/app"]'


def settings(url: str, claims: str = '{ sub = "repo:team/*" }') -> str:
    return f'[[access.oidc]]\nissuer = "{url}"\naudience = "{AUDIENCE}"\nclaims = {claims}\n{RIGHTS}\n'


def asked(
    make: Callable[[FakeIssuer], str], claims: str = '{ sub = "repo:team/*" }', scheme: str = "Bearer"
) -> Identity:
    """Return the name that the door gives to a client with this token."""

    async def ask() -> Identity:
        async with FakeIssuer().running() as issuer:
            secret = make(issuer)
            if scheme == "Basic":
                secret = base64.b64encode(f"anybody:{secret}".encode()).decode()
            at = Door(sections(settings(issuer.url, claims)).access, fetch)
            return await at.identify({"Authorization": f"{scheme} {secret}"})

    return asyncio.run(ask())


def refused(make: Callable[[FakeIssuer], str], claims: str = '{ sub = "repo:team/*" }') -> str:
    with pytest.raises(RefusedError) as error:
        asked(make, claims)
    assert (error.value.status, error.value.code) == (401, "UNAUTHORIZED")
    return str(error.value)


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_a_job_may_what_is_said_of_its_claims(scheme: str) -> None:
    job = asked(lambda issuer: issuer.token(), scheme=scheme)
    assert job.name == "oidc:repo:team/app"
    assert job.may("push", "team/app")
    assert not job.may("push", "team/other")


@pytest.mark.parametrize("make", [lambda: ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate])
def test_other_kinds_of_keys(make: Callable[[], Any]) -> None:
    def token(issuer: FakeIssuer) -> str:
        issuer.keys["second"] = make()
        return issuer.token("second")

    assert asked(token).name == "oidc:repo:team/app"


@pytest.mark.parametrize(
    ("pattern", "value", "is_met"),
    [
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/*", "refs/heads/a/b", False),
        ("refs/heads/**", "refs/heads/a/b", True),
        ("refs/heads/main", "refs/heads/main2", False),
        ("true", True, True),
        ("true", 1, False),
        ("1", 1, True),
        ("ops", ["dev", "ops"], True),
        ("ops", ["dev"], False),
        ("*", {"a": 1}, False),
        ("*", None, False),
        ("**", [], False),
    ],
)
def test_patterns_of_claims(pattern: str, value: object, is_met: bool) -> None:
    claims = f'{{ sub = "repo:team/app", ref = "{pattern}" }}'
    if is_met:
        assert asked(lambda issuer: issuer.token(ref=value), claims).may("push", "team/app")
    else:
        assert "claims" in refused(lambda issuer: issuer.token(ref=value), claims)


NOW = int(time.time())
BAD: dict[str, Callable[[FakeIssuer], str]] = {
    "old": lambda issuer: issuer.token(exp=NOW - 86_400),
    "of the future": lambda issuer: issuer.token(nbf=NOW + 86_400),
    "made in the future": lambda issuer: issuer.token(iat=NOW + 86_400),
    "without end": lambda issuer: issuer.token(exp=None),
    "for others": lambda issuer: issuer.token(aud="other.example.com"),
    "for nobody": lambda issuer: issuer.token(aud=None),
    "of another issuer": lambda issuer: issuer.token(iss="https://other.example.com"),
    "of no issuer": lambda issuer: issuer.token(iss=None),
    "of a strange issuer": lambda issuer: _parts({"alg": "RS256", "kid": "first"}, b'{"iss": ["a"]}'),
    "of an issuer with a slash": lambda issuer: issuer.token(iss=issuer.url + "/"),
    "of another subject": lambda issuer: issuer.token(sub="repo:other/app"),
    "cut": lambda issuer: issuer.token()[:-8],
    "with another key": lambda issuer: _signed(issuer, rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "with an unknown key": lambda issuer: _encoded(issuer, issuer.keys["first"], "RS256", kid="third"),
    "with a key without a name": lambda issuer: _encoded(issuer, issuer.keys["first"], "RS256", kid=None),
    "signed by nothing": lambda issuer: _encoded(issuer, None, "none"),
    "signed by what is public": lambda issuer: _by_public_key(issuer),
    "signed by a secret": lambda issuer: _encoded(issuer, "secret" * 10, "HS256"),
    "signed by another algorithm": lambda issuer: _encoded(issuer, issuer.keys["first"], "RS512"),
    "changed": lambda issuer: _changed(issuer.token()),
    "with a demand": lambda issuer: _encoded(issuer, issuer.keys["first"], "RS256", crit=["x"], x=1),
    "deep": lambda issuer: _parts({"alg": "RS256", "kid": "first"}, b'{"iss":' + b"[" * 100_000),
    "without a head": lambda issuer: "eyJ.eyJ.eyJ",
    "of a list": lambda issuer: _parts({"alg": "RS256", "kid": "first"}, b"[]"),
}


def _claims(issuer: FakeIssuer) -> dict[str, Any]:
    return jwt.decode(issuer.token(), options={"verify_signature": False})


def _encoded(issuer: FakeIssuer, key: Any, algorithm: str, kid: str | None = "first", **headers: Any) -> str:
    named = {"kid": kid} if kid else {}
    return jwt.encode(_claims(issuer), key, algorithm, headers={**named, **headers})


def _signed(issuer: FakeIssuer, key: Any) -> str:
    return _encoded(issuer, key, "RS256")


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _parts(header: dict[str, Any], claims: bytes) -> str:
    return f"{_part(json.dumps(header).encode())}.{_part(claims)}.{_part(b'signature')}"


def _by_public_key(issuer: FakeIssuer) -> str:
    """The old attack: the public key is used as the secret of an HMAC."""
    public = issuer.keys["first"].public_key()
    kinds = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    header = _part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "first"}).encode())
    signing = f"{header}.{_part(json.dumps(_claims(issuer)).encode())}"
    return f"{signing}.{_part(hmac.digest(public.public_bytes(*kinds), signing.encode(), hashlib.sha256))}"


def _changed(token: str) -> str:
    header, claims, signature = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    return f"{header}.{_part(json.dumps({**told, 'admin': True}).encode())}.{signature}"


@pytest.mark.parametrize("bad", BAD)
def test_what_is_not_believed(bad: str) -> None:
    assert "not accepted" in refused(BAD[bad])


def test_the_bad_tokens_differ_from_a_good_one_only_in_what_they_say() -> None:
    assert asked(lambda issuer: _encoded(issuer, issuer.keys["first"], "RS256")).name == "oidc:repo:team/app"


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example.com"},
        {"jwks_uri": "http://192.0.2.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
    ],
    ids=str,
)
def test_what_an_issuer_may_not_say_of_itself(document: dict[str, str]) -> None:
    def token(issuer: FakeIssuer) -> str:
        issuer.document = document
        return issuer.token()

    with pytest.raises(RefusedError) as error:
        asked(token)
    assert error.value.status == 503


def test_two_entries_of_one_issuer_each_have_their_audience() -> None:
    async def ask() -> list[bool]:
        async with FakeIssuer().running() as issuer:
            text = settings(issuer.url) + settings(issuer.url).replace(AUDIENCE, "b").replace("push:", "delete:")
            at = Door(sections(text).access, fetch)
            found = []
            for audience in (AUDIENCE, "b", ["b", AUDIENCE]):
                job = await at.identify({"Authorization": f"Bearer {issuer.token(aud=audience)}"})
                found += [job.may("push", "team/app"), job.may("delete", "team/app")]
            return found

    assert asyncio.run(ask()) == [True, False, False, True, True, True]


def test_an_issuer_vouches_for_its_own_entries_alone() -> None:
    async def ask() -> Identity:
        async with FakeIssuer().running() as good, FakeIssuer().running() as other:
            text = settings(good.url) + settings(other.url).replace("push:team/app", "pull")
            return await Door(sections(text).access, fetch).identify({"Authorization": f"Bearer {other.token()}"})

    job = asyncio.run(ask())
    assert job.may("pull", "team/app")
    assert not job.may("push", "team/app")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def with_clock(test: Callable[[FakeIssuer, Issuers, Clock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = Clock()
        async with FakeIssuer().running() as issuer:
            await test(issuer, Issuers(sections(settings(issuer.url)).access.oidc, fetch, clock), clock)

    asyncio.run(run())


async def _status(issuers: Issuers, token: str) -> int:
    try:
        await issuers.who(token)
    except RefusedError as error:
        return error.status
    return 200


def test_keys_are_fetched_once_and_for_new_names_now_and_then() -> None:
    async def test(issuer: FakeIssuer, issuers: Issuers, clock: Clock) -> None:
        tokens = [issuer.token() for _ in range(20)]
        assert set(await asyncio.gather(*(_status(issuers, token) for token in tokens))) == {200}
        assert issuer.asked == 1
        issuer.keys["new"] = ed25519.Ed25519PrivateKey.generate()
        assert await _status(issuers, issuer.token("new")) == 401
        assert issuer.asked == 1
        clock.now += 60
        assert await _status(issuers, issuer.token("new")) == 200
        assert issuer.asked == 2
        clock.now += 60
        strange = [_encoded(issuer, issuer.keys["first"], "RS256", kid=f"strange{i}") for i in range(20)]
        assert set(await asyncio.gather(*(_status(issuers, token) for token in strange))) == {401}
        assert issuer.asked == 3

    with_clock(test)


def test_a_key_that_is_withdrawn_is_not_believed_for_long() -> None:
    async def test(issuer: FakeIssuer, issuers: Issuers, clock: Clock) -> None:
        token = issuer.token()
        assert await _status(issuers, token) == 200
        issuer.keys = {"second": ed25519.Ed25519PrivateKey.generate()}
        clock.now += 3601
        assert await _status(issuers, token) == 401

    with_clock(test)


def test_an_issuer_that_is_away_for_a_while() -> None:
    async def test(issuer: FakeIssuer, issuers: Issuers, clock: Clock) -> None:
        issuer.answers = False
        assert await _status(issuers, issuer.token()) == 503
        assert await _status(issuers, issuer.token()) == 503
        assert issuer.asked == 1
        issuer.answers = True
        clock.now += 60
        assert await _status(issuers, issuer.token()) == 200
        issuer.answers = False
        clock.now += 12 * 3600
        assert await _status(issuers, issuer.token()) == 200
        clock.now += 13 * 3600
        assert await _status(issuers, issuer.token()) == 503

    with_clock(test)


def test_what_comes_from_an_issuer_and_is_none_of_it() -> None:
    answers = [b"", b"[]", b"{}", b'{"issuer": "ISSUER"}', b"[" * 100_000, b"\xff"]
    for answer in answers:
        entries = sections(settings("https://ci.example.com")).access.oidc
        forged = _parts({"alg": "RS256", "kid": "a"}, b'{"iss": "https://ci.example.com"}')
        data = answer.replace(b"ISSUER", b"https://ci.example.com")
        assert asyncio.run(_status(Issuers(entries, lambda _, data=data: data), forged)) == 503  # type: ignore[misc]


def test_a_fetch_that_fails_is_told_as_such() -> None:
    def fail(_: str) -> bytes:
        raise LamellaError("no network")

    forged = _parts({"alg": "RS256", "kid": "a"}, b'{"iss": "https://ci.example.com"}')
    issuers = Issuers(sections(settings("https://ci.example.com")).access.oidc, fail)
    assert asyncio.run(_status(issuers, forged)) == 503
