"""Where Nix packages come from if they are not in a store of this machine."""

from collections.abc import Sequence
from typing import Annotated

from lamella.spec import kinds
from lamella.spec.fields import Said, Value


class Store(Value, frozen=True, kw_only=True):
    """Binary caches, and who may vouch for what is in them."""

    summary = "Where the packages of `nix` come from that this machine has not; without it, from where Nix takes them."

    caches: Annotated[
        Sequence[str],
        Said(
            "Binary caches: `https://HOST`, `http://HOST` or `file:///FOLDER`. Without it those of "
            "`$LAMELLA_NIX_CACHES`, or the `substituters` of Nix's own configuration.",
            kinds.texts(kinds.line),
        ),
    ] = ()
    keys: Annotated[
        Sequence[str],
        Said(
            "Public keys that must have signed what is not locked, `NAME:BASE64`. Without it those of "
            "`$LAMELLA_NIX_KEYS`, or Nix's `trusted-public-keys`.",
            kinds.texts(kinds.line),
        ),
    ] = ()
