"""Authorization: what a registry's challenge asks for, with tokens that are fetched once and renewed in time.

no challenge yet   nothing is sent
basic              name and password with each request
bearer             a token for the scopes of the request, from the server that the challenge names
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from lamella.registry.challenge import Challenge
from lamella.registry.errors import CredentialError, LoginError, own_words
from lamella.registry.messages import Answer
from lamella.transport.connections import shown, split
from lamella.transport.credential import Credential
from lamella.transport.proxies import is_loopback

_SHORTEST = 60.0
"""How long a token lasts, in seconds, if the server does not say."""

_LONGEST = 86_400.0
_UNAUTHORIZED = 401
_NOT_THAT_WAY = (404, 405)


Fetch = Callable[[str, str, dict[str, str], bytes], Answer]
"""Sends a request (method, url, headers, body) without adding authorization."""

Find = Callable[[str], Credential | None]
"""Finds the credential for a repository."""


def pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def push(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def delete(repository: str) -> str:
    return f"repository:{repository}:pull,push,delete"


@dataclass(frozen=True)
class _Token:
    text: str
    ends: float


class Authorization:
    """The `Authorization` header for the registry `host`. Safe to use from any number of threads."""

    def __init__(self, host: str, find: Find, fetch: Fetch, *, insecure: bool = False) -> None:
        self._host = host
        self._insecure = insecure
        self._find = find
        self._fetch = fetch
        self._challenge: Challenge | None = None
        self._credentials: dict[str, Credential | None] = {}
        self._tokens: dict[tuple[str, ...], _Token] = {}
        self._wider: dict[tuple[str, ...], str] = {}
        self._lock = threading.RLock()

    def header(self, scopes: Sequence[str]) -> str:
        """The header to send; empty if none is needed."""
        with self._lock:
            if self._challenge is None:
                return ""
            if self._challenge.scheme == "basic":
                credential = self._credential(scopes)
                return credential.basic if credential and credential.username else ""
            token = self._tokens.get(tuple(scopes))
            if token is None or time.monotonic() >= token.ends:
                token = self._tokens[tuple(scopes)] = self._ask(self._challenge, tuple(scopes))
            return f"Bearer {token.text}"

    def renew(self, found: Sequence[Challenge], scopes: Sequence[str], used: str) -> bool:
        """Note what the registry demands after it rejected the header `used`; False if we have nothing better."""
        usable = [one for one in found if one.scheme == "bearer" and one.parameters.get("realm")]
        usable += [one for one in found if one.scheme == "basic"]
        if not usable:
            return False
        with self._lock:
            self._challenge = usable[0]
            token = self._tokens.get(tuple(scopes))
            if used and (token is None or used == f"Bearer {token.text}"):
                self._tokens.pop(tuple(scopes), None)
                self._credentials.clear()
            if used.startswith("Bearer ") and usable[0].parameters.get("scope"):
                self._wider[tuple(scopes)] = usable[0].parameters["scope"]
            return usable[0].scheme == "bearer" or self.header(scopes) not in ("", used)

    def tried(self, scopes: Sequence[str]) -> Credential | None:
        """The credential that was sent, if any."""
        with self._lock:
            return self._credentials.get(_repository(scopes)) if self._challenge else None

    @property
    def is_basic(self) -> bool:
        """Whether the registry takes logins themselves: then a 401 is about the login, not about its rights."""
        return self._challenge is not None and self._challenge.scheme == "basic"

    def hidden(self, text: str) -> str:
        """`text` without our secrets, which a server may have echoed."""
        with self._lock:
            found = [one for one in self._credentials.values() if one]
            secrets = {one.password for one in found} | {one.identity_token for one in found}
            secrets |= {one.basic.removeprefix("Basic ") for one in found} | {one.text for one in self._tokens.values()}
        for secret in sorted(secrets - {""}, key=lambda secret: (-len(secret), secret)):
            text = text.replace(secret, "***")
        return text

    def _credential(self, scopes: Sequence[str]) -> Credential | None:
        """The credential, looked up only once: a helper may be slow, or ask the user."""
        repository = _repository(scopes)
        if repository not in self._credentials:
            self._credentials[repository] = self._find(repository)
        return self._credentials[repository]

    def _ask(self, challenge: Challenge, scopes: tuple[str, ...]) -> _Token:
        credential = self._credential(scopes)
        realm = challenge.parameters["realm"]
        address = split(realm)
        plain = address.scheme == "http" and not (self._insecure or is_loopback(address.hostname or ""))
        if credential and plain:
            raise CredentialError(
                f"{self._host} wants the password sent unencrypted to {shown(realm)}, which lamella does not do"
            )
        asked = list(dict.fromkeys([*scopes, *self._wider.get(scopes, "").split()]))
        answer = self._answer(realm, challenge.parameters.get("service", ""), asked, credential)
        if answer.status != 200:
            wrong = LoginError if credential and answer.status == _UNAUTHORIZED else CredentialError
            raise wrong(self._refused(answer, credential), answer.status)
        try:
            told = json.loads(answer.body)
            token = str(told.get("token") or told["access_token"])
            lasts = float(told.get("expires_in") or _SHORTEST)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CredentialError(
                f"{shown(realm)} gives no token for {self._host}: its answer is unreadable"
            ) from error
        if not (token.isascii() and token.isprintable()):
            raise CredentialError(f"{shown(realm)} gives no token for {self._host}: it is not printable ASCII")
        return _Token(token, time.monotonic() + 0.8 * min(max(lasts, 1.0), _LONGEST))

    def _answer(self, realm: str, service: str, scopes: Sequence[str], credential: Credential | None) -> Answer:
        """Ask by GET, as Docker always has; by POST for identity tokens, or if the server does not support GET."""
        form = {"client_id": "lamella", "service": service, "scope": " ".join(scopes)}
        if credential and credential.identity_token:
            return self._post(
                realm, {"grant_type": "refresh_token", "refresh_token": credential.identity_token, **form}
            )
        query = urlencode([*([("service", service)] if service else []), *(("scope", scope) for scope in scopes)])
        url = realm + ("&" if urlsplit(realm).query else "?") + query
        answer = self._fetch("GET", url, {"Authorization": credential.basic} if credential else {}, b"")
        if answer.status in _NOT_THAT_WAY and credential:
            named = {"username": credential.username, "password": credential.password}
            return self._post(realm, {"grant_type": "password", **named, **form})
        return answer

    def _post(self, realm: str, form: Mapping[str, str]) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch("POST", realm, headers, urlencode(form).encode())

    def _refused(self, answer: Answer, credential: Credential | None) -> str:
        who = credential.who if credential else "anonymous users"
        said = self.hidden(own_words(answer.body))
        return (
            f"{self._host} gives no token to {who}: {answer.status}{f' ({said})' if said else ''}; "
            f"log in with: docker login {self._host}"
        )


def _repository(scopes: Sequence[str]) -> str:
    return scopes[0].split(":")[1] if scopes else ""
