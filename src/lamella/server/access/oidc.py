"""OpenID Connect tokens: a CI service says in them which job they are for, and signs them with keys that it publishes.

A token is valid if one of the issuer's keys signed it, it is for this server, and it is neither expired nor from the
future. It has the rights of all settings whose claims it matches. Only signatures made with a private key count, each
by the algorithm of the key that it names, so none can be made from public data.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

import jwt

from lamella.errors import LamellaError
from lamella.oci.patterns import matches
from lamella.server.access.refusals import unauthorized, unavailable
from lamella.server.access.rights import Right, rights
from lamella.server.access.settings import Issuer, is_safe
from lamella.server.answers import RefusedError

Fetch = Callable[[str], bytes]
"""Downloads a document; raises a `LamellaError` on failure."""

ALGORITHMS = ("RS256", "ES256", "EdDSA")

_LEEWAY = 30
"""How many seconds clocks may differ."""
_FRESH = 3600.0
"""Seconds after which keys are downloaded again."""
_STALE = 24 * 3600.0
"""Seconds for which keys stay valid while their issuer cannot be reached."""
_PAUSE = 30.0
"""Seconds in which keys are downloaded at most once, whatever keys tokens name."""
_PATIENCE = 15.0

_log = logging.getLogger(__name__)


class Issuers:
    """The issuers of tokens, and the rights of their tokens."""

    def __init__(self, entries: Sequence[Issuer], fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = entries
        self._keys = {entry.issuer: _Keys(entry.issuer, fetch, clock) for entry in entries}

    async def who(self, token: str) -> tuple[str, tuple[Right, ...]]:
        """Return the name and the rights of a token. Refuses tokens that are not valid."""
        if not self._entries:
            raise _unknown("this server accepts no tokens of this kind")
        try:
            header = jwt.get_unverified_header(token)
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            keys = self._keys.get(issuer) if isinstance(issuer, str) else None
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise _unknown("it cannot be read") from error
        if keys is None:
            raise _unknown(f"its issuer {issuer!a} is unknown")
        if header.get("alg") not in ALGORITHMS:
            raise _unknown(f"its signature algorithm is not one of {', '.join(ALGORITHMS)}")
        claims = self._believed(token, await keys.key(header.get("kid")), str(issuer))
        met = [entry for entry in self._entries if _meets(claims, entry)]
        if not met:
            raise _unknown("its claims match none of the settings")
        return f"oidc:{claims.get('sub', '')}", tuple(right for entry in met for right in rights(entry.rights))

    def _believed(self, token: str, key: jwt.PyJWK, issuer: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=issuer,
                audience=[entry.audience for entry in self._entries if entry.issuer == issuer],
                leeway=_LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise _unknown(str(error)) from error


class _Keys:
    """The public keys of an issuer."""

    def __init__(self, issuer: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, jwt.PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def key(self, name: object) -> jwt.PyJWK:
        """Return the key named `name`."""
        if not isinstance(name, str):
            raise _unknown("it does not name the key that signed it")
        if self._clock() - self._fetched > _FRESH or name not in self._known:
            async with self._one_at_a_time:
                await self._renew(name)
        if self._clock() - self._fetched > _STALE:
            raise unavailable(f"cannot download the keys of {self._issuer}", _PAUSE)
        if name not in self._known:
            raise _unknown(f"its issuer has no key {name!a}")
        return self._known[name]

    async def _renew(self, name: str) -> None:
        is_known = self._clock() - self._fetched <= _FRESH and name in self._known
        if is_known or self._clock() - self._tried < _PAUSE:
            return
        self._tried = self._clock()
        try:
            async with asyncio.timeout(_PATIENCE):
                self._known = await asyncio.to_thread(self._published)
        except (LamellaError, TimeoutError, ValueError, TypeError, KeyError, RecursionError) as error:
            _log.warning("cannot download the keys of %s: %s", self._issuer, error or type(error).__name__)
        else:
            self._fetched = self._clock()

    def _published(self) -> dict[str, jwt.PyJWK]:
        about = json.loads(self._fetch(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"))
        if about["issuer"] != self._issuer:
            raise ValueError(f"the configuration there belongs to {about['issuer']!r}")
        address = urljoin(self._issuer, about["jwks_uri"])
        if not is_safe(address):
            raise ValueError(f"{address!r} is not https")
        return dict(_usable(json.loads(self._fetch(address))["keys"]))


def _usable(keys: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, jwt.PyJWK]]:
    """Yield the keys that have a name and an algorithm that is accepted here."""
    for told in keys:
        try:
            key = jwt.PyJWK(dict(told))
        except (jwt.PyJWTError, ValueError):
            continue
        if isinstance(key.key_id, str) and key.algorithm_name in ALGORITHMS and told.get("use", "sig") == "sig":
            yield key.key_id, key


def _meets(claims: Mapping[str, Any], entry: Issuer) -> bool:
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    return (
        claims["iss"] == entry.issuer
        and entry.audience in audience
        and all(
            any(matches(pattern, text) for text in _texts(claims.get(name))) for name, pattern in entry.claims.items()
        )
    )


def _texts(value: object) -> list[str]:
    """Return the values of a claim as text."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)] if isinstance(value, str | int) else []


def _unknown(why: str) -> RefusedError:
    return unauthorized(f"the token is not accepted: {why}")
