"""Authorization: what a registry's challenge asks for, with tokens that are fetched once and renewed in time."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from lamella.registry.challenge import Challenge
from lamella.registry.credentials import Credential
from lamella.registry.errors import CredentialError, own_words

_SHORTEST = 60.0
"""How long a token lasts, in seconds, if nobody says."""


@dataclass(frozen=True)
class Answer:
    """An answer that was read as a whole."""

    status: int
    headers: "Headers"
    body: bytes
    url: str


class Headers(Protocol):
    def get(self, name: str, /) -> str | None: ...


Fetch = Callable[[str, str, dict[str, str], bytes], Answer]
"""Asks: method, url, headers and body; without authorization of its own."""


def pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def delete(repository: str) -> str:
    return f"repository:{repository}:pull,push,delete"


class Authorization:
    """The `Authorization` header for a host."""

    def __init__(self, host: str, fetch: Fetch) -> None:
        self._host = host
        self._fetch = fetch
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, tuple[str, ...]], tuple[str, float]] = {}
        self._lock = threading.Lock()

    def header(self, credential: Credential | None, scopes: Sequence[str]) -> str:
        """What to send; empty before a challenge was met."""
        with self._lock:
            challenge = self._challenge
            if challenge is None:
                return ""
            if challenge.scheme == "basic":
                return credential.basic if credential else ""
            return f"Bearer {self._token(challenge, credential, tuple(scopes))}"

    def learn(self, found: Sequence[Challenge], scopes: Sequence[str]) -> bool:
        """Takes note of what is demanded; False if that is nothing new, so that asking again would be of no use."""
        usable = next((one for one in found if one.scheme == "bearer" and one.parameters.get("realm")), None)
        usable = usable or next((one for one in found if one.scheme == "basic"), None)
        if usable is None:
            return False
        with self._lock:
            dropped = [key for key in self._tokens if key[1] == tuple(scopes)]
            for key in dropped:
                del self._tokens[key]
            changed = self._challenge is None or self._challenge.scheme != usable.scheme
            self._challenge = usable
            return changed or bool(dropped)

    def _token(self, challenge: Challenge, credential: Credential | None, scopes: tuple[str, ...]) -> str:
        key = (challenge.parameters["realm"], scopes)
        token, ends = self._tokens.get(key, ("", 0.0))
        if time.monotonic() >= ends:
            token, lasts = self._ask(challenge, credential, scopes)
            self._tokens[key] = (token, time.monotonic() + 0.8 * lasts)
        return token

    def _ask(self, challenge: Challenge, credential: Credential | None, scopes: tuple[str, ...]) -> tuple[str, float]:
        realm = challenge.parameters["realm"]
        service = challenge.parameters.get("service", "")
        if credential and credential.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": credential.identity_token, "client_id": "lamella"}
            body = urlencode({**form, "service": service, "scope": " ".join(scopes)}).encode()
            answer = self._fetch("POST", realm, {"Content-Type": "application/x-www-form-urlencoded"}, body)
        else:
            query = urlencode([*([("service", service)] if service else []), *(("scope", scope) for scope in scopes)])
            url = realm + ("&" if urlsplit(realm).query else "?") + query
            answer = self._fetch("GET", url, {"Authorization": credential.basic} if credential else {}, b"")
        if answer.status != 200:
            raise CredentialError(self._refused(answer, credential))
        try:
            told = json.loads(answer.body)
            token = told.get("token") or told["access_token"]
            return str(token), max(float(told.get("expires_in") or _SHORTEST), 1.0)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CredentialError(f"{realm} gives no token for {self._host}") from error

    def _refused(self, answer: Answer, credential: Credential | None) -> str:
        who = (credential.username or "the identity token") if credential else "nobody in particular"
        said = own_words(answer.body)
        return (
            f"{self._host} gives no token to {who} ({answer.status}{f', {said}' if said else ''}); "
            f"log in with: docker login {self._host}"
        )
