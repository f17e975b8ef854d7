"""The settings of Nix binary caches."""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from lamella.sources.nix.graph import NixError
from lamella.sources.nix.narinfo import PublicKeys
from lamella.spec import kinds
from lamella.spec.fields import Said, Value
from lamella.spec.problems import wrong
from lamella.transport.depot import KINDS

_NAME = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_LONGEST = 64
_DEFAULT_PRIORITY = 30


def _check_name(value: str) -> str:
    if len(value) > _LONGEST or not re.fullmatch(_NAME, value, re.ASCII):
        raise wrong(f'"{value}" must be made of a-z and 0-9, with single . _ or - in between')
    return value


def _check_key(value: str) -> str:
    try:
        PublicKeys([value])
    except NixError as error:
        raise wrong(str(error)) from None
    return value


def _check_url(value: str) -> str:
    if urlsplit(value).scheme not in KINDS:
        raise wrong(f'"{value}" is not a cache; write https://HOST, http://HOST, file:///FOLDER or s3://BUCKET')
    return value


_key = kinds.text(_check_key, pattern=r"^[^:]+:[A-Za-z0-9+/]{43}=$")


class Upstream(Value, frozen=True, kw_only=True):
    """Another cache, which provides what this one does not have."""

    summary = "Caches that provide what this one does not have. They are asked in this order."

    url: Annotated[
        str, Said("`https://HOST`, `http://HOST`, `file:///FOLDER` or `s3://BUCKET`.", kinds.text(_check_url))
    ]
    keys: Annotated[
        Sequence[str],
        Said("Public keys: `NAME:BASE64`. One of them must have signed what this cache provides.", kinds.texts(_key)),
    ]


class NixCache(Value, frozen=True, kw_only=True):
    """A Nix binary cache, at `/nix/NAME`."""

    summary = "Nix binary caches. In rights, a cache is called `nix/NAME`."

    name: Annotated[
        str, Said("The name of the cache.", kinds.text(_check_name, pattern=f"^{_NAME}$", maxLength=_LONGEST))
    ]
    keys: Annotated[
        str,
        Said(
            "The file with the secret keys that sign what the cache serves, one per line, as made by "
            "`nix-store --generate-binary-cache-key`. If not set, nothing is signed here.",
            kinds.line,
        ),
    ] = ""
    trusted: Annotated[
        Sequence[str],
        Said(
            "Public keys, one of which must have signed what is pushed. If none are set, anything is accepted.",
            kinds.texts(_key),
        ),
    ] = ()
    priority: Annotated[
        int, Said("The priority of the cache; Nix asks the cache with the lowest number first.", kinds.whole(1, 1000))
    ] = _DEFAULT_PRIORITY
    upstreams: Annotated[Sequence[Upstream], Said(Upstream.summary, each=Upstream)] = msgspec.field(
        default=(), name="upstream"
    )
    keep: Annotated[bool, Said("Whether to keep in the bucket what comes from an `upstream`.", kinds.flag)] = True
    store: Annotated[bool, Said("Whether everything in this machine's Nix store is served too.", kinds.flag)] = False
