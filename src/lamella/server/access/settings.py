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
            raise wrong(f'"{value}" is not a moment such as 2030-12-31 or 2030-12-31T12:00:00Z') from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise kinds.must_be("a moment such as 2030-12-31", value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_moment = Kind(_read_moment, {"type": "string", "format": "date-time"})


def _check_sha256(value: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise wrong("must be the sha256 of a token: 64 hexadecimal digits in lower case")
    return value


def is_safe(url: str) -> bool:
    """Whether what is said at `url` can be believed: it is `https`, or on this machine."""
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
    """Those who log in with a name and a password, and what they may do."""

    summary = "What those may do whose password is in the `htpasswd` file."

    name: Annotated[str, Said("The user's name, or a pattern: `*` stands for all of the file.", kinds.line)]
    rights: Annotated[Sequence[str], Said("What the user may do.", rights.listed)]


class Token(Value, frozen=True, kw_only=True):
    """A secret that stands for who knows it."""

    summary = "A secret that is a login by itself, as `Bearer`, or as the password of any user name."

    name: Annotated[str, Said("What the audit log calls it.", kinds.line)]
    rights: Annotated[Sequence[str], Said("What may be done with it.", rights.listed)]
    sha256: Annotated[str, Said("The token's sha256.", text(_check_sha256, pattern="^[0-9a-f]{64}$"))] = ""
    file: Annotated[
        str, Said("Instead of `sha256`, a file that holds the token; read again when it changes.", kinds.absolute)
    ] = ""
    expires: Annotated[
        datetime | None, Said("When it ends to be good. A date is its first moment in UTC.", _moment)
    ] = None

    def wrongs(self) -> Iterator[Problem]:
        if bool(self.sha256) == bool(self.file):
            yield Problem((), 'needs one of "sha256" and "file"')


class Issuer(Value, frozen=True, kw_only=True):
    """Somebody who vouches for the jobs of a CI."""

    summary = "Tokens of OpenID Connect, as CI services give them to their jobs."

    issuer: Annotated[
        str,
        Said(
            "Who makes the tokens, exactly as they say it themselves. Its keys are fetched from what "
            "`/.well-known/openid-configuration` below it names.",
            text(_check_issuer, pattern="^https?://"),
        ),
    ]
    audience: Annotated[str, Said("For whom the token must be made: a name of this server.", kinds.line)]
    claims: Annotated[
        Mapping[str, str],
        Said("What the token must say: claims and patterns of their values. All must be true.", _claims),
    ]
    rights: Annotated[Sequence[str], Said("What may be done with such a token.", rights.listed)]

    def wrongs(self) -> Iterator[Problem]:
        if not self.claims:
            yield Problem(("claims",), 'must name at least one, or whoever the issuer knows is let in; sub = "**" does')


class Access(Value, frozen=True, kw_only=True):
    """Who may do what."""

    summary = "Who may do what. Rights are `ACTION` or `ACTION:PATTERN`."

    anonymous: Annotated[
        Sequence[str] | None,
        Said(
            "What may be done without a login, and with any. Without it `pull` and `build` where only this machine "
            "can reach the server and `trusted_proxies` is empty, and nothing elsewhere.",
            rights.listed,
        ),
    ] = None
    htpasswd: Annotated[
        str,
        Said(
            "A file of users and passwords as `htpasswd -B` makes it (bcrypt only); read again when it changes.",
            kinds.absolute,
        ),
    ] = ""
    user: Annotated[Sequence[User], Said("What users may do.", each=User)] = ()
    token: Annotated[Sequence[Token], Said("Static tokens.", each=Token)] = ()
    oidc: Annotated[Sequence[Issuer], Said("Tokens of CI services.", each=Issuer)] = ()
    audit: Annotated[
        str,
        Said(
            "The file to which a line of JSON is added for each change, refusal and failed login; `-` is stdout.",
            kinds.line,
        ),
    ] = ""
    trusted_proxies: Annotated[
        Sequence[str],
        Said(
            "Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
            texts(text(_check_network)),
        ),
    ] = ()

    def wrongs(self) -> Iterator[Problem]:
        if self.user and not self.htpasswd:
            yield Problem(("htpasswd",), "is missing, without which no [[access.user]] has a password")
        names = [token.name for token in self.token]
        for i, name in enumerate(names):
            if name in names[:i]:
                yield Problem(("token", i, "name"), f'"{name}" is the name of another token, too')


class Limits(Value, frozen=True, kw_only=True):
    """How much of the server one client, and all of them, may have."""

    summary = "How much may be asked for, and how long clients may take."

    requests_per_second: Annotated[
        int | None, Said("How many requests a client may make; without it any number.", kinds.whole(1, _MANY))
    ] = None
    burst: Annotated[
        int | None,
        Said("How many of them at once after a rest; without it ten seconds' worth.", kinds.whole(1, _MANY)),
    ] = None
    connections: Annotated[int, Said("Connections at once, in total.", kinds.whole(1, _MANY))] = 4096
    connections_per_client: Annotated[
        int, Said("Connections at once of one address; trusted proxies may have more.", kinds.whole(1, _MANY))
    ] = 512
    manifest_size: Annotated[int, Said("The largest manifest, and the largest body that is no blob.", kinds.size)] = (
        4 << 20
    )
    blob_size: Annotated[
        int | None,
        Said(
            "The largest blob that is pushed, or fetched from a mirror, and the largest NAR; without it any.",
            kinds.size,
        ),
    ] = None
    header_size: Annotated[int, Said("The longest header, and the longest address.", kinds.size)] = 16 << 10
    header_seconds: Annotated[int, Said("How long the head of a request may take.", kinds.whole(1, _SECONDS))] = 20
    stall_seconds: Annotated[
        int, Said("How long a client may neither send nor take the next bytes of a body.", kinds.whole(1, _SECONDS))
    ] = 60
    body_seconds: Annotated[int, Said("How long the whole body of a request may take.", kinds.whole(1, _SECONDS))] = (
        6 * 3600
    )
    keep_seconds: Annotated[
        int, Said("How long a connection may wait for the next request.", kinds.whole(1, _SECONDS))
    ] = 75

    @property
    def runner(self) -> dict[str, Any]:
        """What aiohttp's `AppRunner` is to be told."""
        size = self.header_size
        return {"max_line_size": size, "max_field_size": size, "keepalive_timeout": float(self.keep_seconds)}


class Tls(Value, frozen=True, kw_only=True):
    """What the server shows of itself."""

    summary = "Serves `https`. The files are read again when they change, so a renewed certificate needs no restart."

    certificate: Annotated[str, Said("The certificate, and those above it, in PEM.", kinds.absolute)]
    key: Annotated[str, Said("Its key, in PEM, without a password.", kinds.absolute)]
