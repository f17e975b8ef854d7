"""Finds out from the headers of a request who sent it.

    Authorization: Basic NAME:SECRET     a user of the htpasswd file, or a token of any kind as the password
    Authorization: Bearer SECRET         a token of any kind, or one handed out by `admission`

Programs that only know names and passwords (`docker login`, netrc) send tokens in the first form.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lamella.errors import LamellaError
from lamella.oci.patterns import matches
from lamella.server.access.oidc import Fetch, Issuers
from lamella.server.access.passwords import TOO_OFTEN, Passwords
from lamella.server.access.rates import Rate
from lamella.server.access.refusals import UNAUTHORIZED, denied, too_many, unauthorized
from lamella.server.access.rights import BUILD, PULL, Right, rights
from lamella.server.access.settings import Access, Token
from lamella.server.access.watched import Watched
from lamella.server.answers import RefusedError

NOBODY = "anonymous"
"""The token of clients without a login, for programs that need one."""

_GUESSES_PER_SECOND = 0.2
_GUESSES_AT_ONCE = 20

_WRONG = "the name, the password or the token is wrong"


@dataclass(frozen=True, slots=True)
class Identity:
    """A client, and what it may do. The name is empty without a login."""

    name: str
    rights: tuple[Right, ...]

    def may(self, action: str, name: str) -> bool:
        """Whether the client may do `action` to the repository `name`; without a name, to any."""
        return any(right.covers(action, name) if name else right.allows(action) for right in self.rights)

    def must(self, action: str, name: str) -> None:
        """Refuse what the client may not do: without a login by asking for one, with a login for good."""
        if self.may(action, name):
            return
        what = f"{action} {name}" if name else action
        raise denied(f"{self.name} may not {what}") if self.name else unauthorized(f"log in to {what}")


class SecretFileError(LamellaError):
    """A token file cannot be used."""

    exit_code = 2


class Door:
    """Knows who may use the server. `loopback` says that only this machine can reach it."""

    def __init__(self, access: Access, fetch: Fetch, *, loopback: bool = False) -> None:
        self.is_of_this_machine = loopback and access.anonymous is None and not access.trusted_proxies
        """Whether everybody on this machine may use the server without a login."""
        usual = (PULL, BUILD) if self.is_of_this_machine else ()
        self._everybody = rights(usual if access.anonymous is None else access.anonymous)
        self._tokens = [_Secret(token) for token in access.token]
        self._users = access.user
        self._guesses = Rate(_GUESSES_PER_SECOND, _GUESSES_AT_ONCE)
        self._passwords = Passwords(Path(access.htpasswd), self._guesses) if access.htpasswd else None
        self._issuers = Issuers(access.oidc, fetch)
        self.has_logins = bool(self._tokens or self._passwords or access.oidc)
        self.is_mixed = bool(self._everybody) and self.has_logins
        """Whether everybody may do something, and users with a login may do more."""

    @property
    def anybody(self) -> Identity:
        """A client without a login."""
        return Identity("", self._everybody)

    async def identify(self, headers: Mapping[str, str], client: str = "") -> Identity:
        """Return who sent a request. Wrong credentials are refused, even if none are needed.

        A `client` that was wrong too often has to wait, unless it sends a token or was right before.
        """
        given = headers.get("Authorization")
        if given is None:
            return self.anybody
        try:
            return await self._known(given, client)
        except RefusedError as refusal:
            if refusal.status == UNAUTHORIZED and (wait := self._guesses.take(client)):
                raise too_many(TOO_OFTEN, wait) from refusal
            raise

    async def _known(self, given: str, client: str) -> Identity:
        scheme, _, secret = given.strip().partition(" ")
        secret = secret.strip()
        if scheme.lower() not in ("basic", "bearer") or not secret or not given.isascii():
            raise unauthorized("log in with Basic or Bearer")
        if scheme.lower() == "basic":
            return await self._basic(secret, client)
        if secret == NOBODY:
            return self.anybody
        return self._static(secret) or (
            await self._of_ci(secret) if _is_jwt(secret) else await self._basic(secret, client)
        )

    async def _basic(self, encoded: str, client: str) -> Identity:
        user, password = _name_and_password(encoded)
        if not user and not password:
            return self.anybody
        found = self._static(password)
        if found:
            return found
        if _is_jwt(password):
            return await self._of_ci(password)
        if self._passwords is None or not await self._passwords.are_right(user, password, client):
            raise unauthorized(_WRONG)
        held = [right for entry in self._users if matches(entry.name, user) for right in rights(entry.rights)]
        return self._somebody(user, held)

    def _static(self, secret: str) -> Identity | None:
        """Find the static token `secret`. All are compared, so that the time reveals nothing."""
        hashed = hashlib.sha256(secret.encode()).hexdigest()
        found = [token for token in self._tokens if token.is_of(hashed)]
        return self._somebody(f"token:{found[0].name}", found[0].rights) if found else None

    async def _of_ci(self, token: str) -> Identity:
        return self._somebody(*await self._issuers.who(token))

    def _somebody(self, name: str, held: Sequence[Right]) -> Identity:
        return Identity(name, (*held, *self._everybody))


class _Secret:
    """A static token."""

    def __init__(self, token: Token) -> None:
        self.name = token.name
        self.rights = rights(token.rights)
        self._expires = token.expires
        file = Path(token.file)
        self._file = Watched((file,), lambda: _hash_in(file), lambda _: "") if token.file else None
        self._sha256 = token.sha256

    def is_of(self, hashed: str) -> bool:
        """Whether it has this sha256, and has not expired."""
        known = self._file.value if self._file else self._sha256
        return hmac.compare_digest(known, hashed) and (self._expires is None or datetime.now(UTC) < self._expires)


def _hash_in(file: Path) -> str:
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise SecretFileError(f"cannot read the token in {file}: {error.strerror}") from error
    if not secret:
        raise SecretFileError(f"{file} contains no token")
    return hashlib.sha256(secret).hexdigest()


def claimed(headers: Mapping[str, str]) -> str:
    """Return the user name that a client claims, whether or not it is true."""
    scheme, _, secret = headers.get("Authorization", "").strip().partition(" ")
    try:
        return _name_and_password(secret.strip())[0] if scheme.lower() == "basic" else ""
    except RefusedError:
        return ""


def _name_and_password(encoded: str) -> tuple[str, str]:
    """Decode the value of `Basic`."""
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise unauthorized(_WRONG) from error
    if not colon or any(sign < " " or sign == "\x7f" for sign in user + password):
        raise unauthorized(_WRONG)
    return user, password


def _is_jwt(secret: str) -> bool:
    return secret.startswith("eyJ") and secret.count(".") == 2
