"""What a binary cache of Nix is told by the settings of the server."""

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
        raise wrong(f'"{value}" is no cache; write https://HOST, http://HOST, file:///FOLDER or s3://BUCKET')
    return value


_key = kinds.text(_check_key, pattern=r"^[^:]+:[A-Za-z0-9+/]{43}=$")


class Upstream(Value, frozen=True, kw_only=True):
    """Another cache that is asked for what this one has not."""

    summary = "Caches that are asked for what this one has not, in this order."

    url: Annotated[
        str, Said("`https://HOST`, `http://HOST`, `file:///FOLDER` or `s3://BUCKET`.", kinds.text(_check_url))
    ]
    keys: Annotated[
        Sequence[str], Said("Public keys, one of which must have signed what it has: `NAME:BASE64`.", kinds.texts(_key))
    ]


class NixCache(Value, frozen=True, kw_only=True):
    """A binary cache of Nix, at `/nix/NAME`."""

    summary = "Binary caches of Nix. The name that rights are given for is `nix/NAME`."

    name: Annotated[str, Said("Its name.", kinds.text(_check_name, pattern=f"^{_NAME}$", maxLength=_LONGEST))]
    keys: Annotated[
        str,
        Said(
            "The file of the secret keys that sign what the cache tells, one on a line, as "
            "`nix-store --generate-binary-cache-key` makes them. Without it nothing is signed here.",
            kinds.line,
        ),
    ] = ""
    trusted: Annotated[
        Sequence[str],
        Said(
            "Public keys, one of which must have signed what is pushed. Without them anything is taken.",
            kinds.texts(_key),
        ),
    ] = ()
    priority: Annotated[
        int, Said("Which cache Nix asks first: the one with the lowest number.", kinds.whole(1, 1000))
    ] = _DEFAULT_PRIORITY
    upstreams: Annotated[Sequence[Upstream], Said(Upstream.summary, each=Upstream)] = msgspec.field(
        default=(), name="upstream"
    )
    keep: Annotated[bool, Said("Whether what comes from an `upstream` is kept in the bucket.", kinds.flag)] = True
    store: Annotated[bool, Said("Whether all that is in the Nix store of this machine is served too.", kinds.flag)] = (
        False
    )
