"""The sections `[access]`, `[limits]` and `[tls]` of the server's settings."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from lamella.server.access import rights
from lamella.spec import kinds
from lamella.spec.fields import Said, Value
from lamella.spec.kinds import Kind, text, texts
from lamella.spec.problems import Problem, wrong

_SECONDS = 24 * 3600
_MANY = 10**6
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _read_moment(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise wrong(f'"{value}" is not a date or time such as 2030-12-31 or 2030-12-31T12:00:00Z') from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise kinds.must_be("a date or time such as 2030-12-31", value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_moment = Kind(_read_moment, {"type": "string", "format": "date-time"})


def _check_sha256(value: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise wrong("must be the sha256 of a token: 64 hexadecimal digits in lower case")
    return value


def is_safe(url: str) -> bool:
    """Whether answers from `url` can be trusted: it is `https`, or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def _check_issuer(value: str) -> str:
    if not is_safe(value) or "?" in value or "#" in value:
        raise wrong(f'"{value}" is not the address of an issuer: https://HOST or https://HOST/PATH')
    return value


def _check_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise wrong(f'"{value}" is not an address or a network such as 10.0.0.0/8: {error}') from None


_claims = kinds.table(kinds.line)


class User(Value, frozen=True, kw_only=True):
    """Users who log in with a name and a password, and what they may do."""

    summary = "What users from the `htpasswd` file may do."

    name: Annotated[str, Said("The user's name, or a pattern: `*` matches all users in the file.", kinds.line)]
    rights: Annotated[Sequence[str], Said("What the user may do.", rights.listed)]


class Token(Value, frozen=True, kw_only=True):
    """A secret that is a login by itself."""

    summary = "A secret that is a login by itself, as `Bearer`, or as the password of any user name."

    name: Annotated[str, Said("Its name in the audit log.", kinds.line)]
    rights: Annotated[Sequence[str], Said("What a client with this token may do.", rights.listed)]
    sha256: Annotated[str, Said("The SHA-256 of the token.", text(_check_sha256, pattern="^[0-9a-f]{64}$"))] = ""
    file: Annotated[
        str, Said("Instead of `sha256`, a file that holds the token; read again when it changes.", kinds.absolute)
    ] = ""
    expires: Annotated[datetime | None, Said("When it expires. A date means its first moment in UTC.", _moment)] = None

    def wrongs(self) -> Iterator[Problem]:
        if bool(self.sha256) == bool(self.file):
            yield Problem((), 'needs one of "sha256" and "file"')


class Issuer(Value, frozen=True, kw_only=True):
    """A service that vouches for the jobs of a CI."""

    summary = "OpenID Connect tokens that CI services give to their jobs."

    issuer: Annotated[
        str,
        Said(
            "Who issues the tokens, exactly as the tokens say it. Its keys are downloaded from the address that "
            "`/.well-known/openid-configuration` below it names.",
            text(_check_issuer, pattern="^https?://"),
        ),
    ]
    audience: Annotated[
        str, Said("The audience that the token must be issued for: a name for this server.", kinds.line)
    ]
    claims: Annotated[
        Mapping[str, str],
        Said("Claims that the token must have, with patterns for their values. All must match.", _claims),
    ]
    rights: Annotated[Sequence[str], Said("What a client with such a token may do.", rights.listed)]

    def wrongs(self) -> Iterator[Problem]:
        if not self.claims:
            yield Problem(
                ("claims",), 'must name at least one; to let in everybody whom the issuer knows, write sub = "**"'
            )


class Access(Value, frozen=True, kw_only=True):
    """Who may do what."""

    summary = "Who may do what. Rights are `ACTION` or `ACTION:PATTERN`."

    anonymous: Annotated[
        Sequence[str] | None,
        Said(
            "What everybody may do, logged in or not. If not set: `pull` and `build` if only this machine can reach "
            "the server and `trusted_proxies` is empty, otherwise nothing.",
            rights.listed,
        ),
    ] = None
    htpasswd: Annotated[
        str,
        Said(
            "A file of users and passwords made by `htpasswd -B` (bcrypt only); read again when it changes.",
            kinds.absolute,
        ),
    ] = ""
    user: Annotated[Sequence[User], Said("What users may do.", each=User)] = ()
    token: Annotated[Sequence[Token], Said("Static tokens.", each=Token)] = ()
    oidc: Annotated[Sequence[Issuer], Said("Tokens of CI services.", each=Issuer)] = ()
    audit: Annotated[
        str,
        Said(
            "The file that gets a line of JSON for each change, refusal and failed login; `-` is stdout.",
            kinds.line,
        ),
    ] = ""
    trusted_proxies: Annotated[
        Sequence[str],
        Said(
            "Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted.",
            texts(text(_check_network)),
        ),
    ] = ()

    def wrongs(self) -> Iterator[Problem]:
        if self.user and not self.htpasswd:
            yield Problem(("htpasswd",), "is missing; without it no [[access.user]] has a password")
        names = [token.name for token in self.token]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield Problem(("token", i, "name"), f'"{name}" is also the name of another token')


class Limits(Value, frozen=True, kw_only=True):
    """How much of the server one client, and all clients together, may use."""

    summary = "How much clients may request, and how long they may take."

    requests_per_second: Annotated[
        int | None,
        Said("How many requests per second a client may make; if not set, any number.", kinds.whole(1, _MANY)),
    ] = None
    burst: Annotated[
        int | None,
        Said(
            "How many requests a client may make at once after a pause; if not set, ten seconds' worth.",
            kinds.whole(1, _MANY),
        ),
    ] = None
    connections: Annotated[int, Said("How many connections may be open at once in total.", kinds.whole(1, _MANY))] = (
        4096
    )
    connections_per_client: Annotated[
        int,
        Said(
            "How many connections one address may have open at once; trusted proxies may have more.",
            kinds.whole(1, _MANY),
        ),
    ] = 512
    manifest_size: Annotated[
        int,
        Said(
            "The largest manifest, and the largest body of any other request except blobs, logs and listings.",
            kinds.size,
        ),
    ] = 4 << 20
    blob_size: Annotated[
        int | None,
        Said(
            "The largest blob that can be pushed or come from a mirror, and the largest NAR; if not set, any size.",
            kinds.size,
        ),
    ] = None
    header_size: Annotated[int, Said("The longest header and the longest request address.", kinds.size)] = 16 << 10
    header_seconds: Annotated[
        int, Said("How many seconds the head of a request may take.", kinds.whole(1, _SECONDS))
    ] = 20
    stall_seconds: Annotated[
        int, Said("After how many seconds without progress in a body the client is cut off.", kinds.whole(1, _SECONDS))
    ] = 60
    body_seconds: Annotated[
        int, Said("How many seconds the whole body of a request may take.", kinds.whole(1, _SECONDS))
    ] = 6 * 3600
    keep_seconds: Annotated[
        int, Said("How many seconds a connection may wait for the next request.", kinds.whole(1, _SECONDS))
    ] = 75

    @property
    def runner(self) -> dict[str, Any]:
        """The arguments for aiohttp's `AppRunner`."""
        size = self.header_size
        return {"max_line_size": size, "max_field_size": size, "keepalive_timeout": float(self.keep_seconds)}


class Tls(Value, frozen=True, kw_only=True):
    """The server's certificate and key."""

    summary = "Serves `https`. The files are read again when they change, so a renewed certificate needs no restart."

    certificate: Annotated[str, Said("The certificate and its chain, in PEM.", kinds.absolute)]
    key: Annotated[str, Said("The certificate's key, in PEM, without a password.", kinds.absolute)]
