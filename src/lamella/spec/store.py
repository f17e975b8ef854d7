"""Where Nix packages come from that are not in a store of this machine."""

from collections.abc import Sequence
from typing import Annotated

from lamella.spec import kinds
from lamella.spec.fields import Said, Value


class Store(Value, frozen=True, kw_only=True):
    """Binary caches, and the keys that are trusted to sign their contents."""

    summary = "Where `nix` packages come from that are not on this machine. The default is Nix's own configuration."

    caches: Annotated[
        Sequence[str],
        Said(
            "Binary caches: `https://HOST`, `http://HOST` or `file:///FOLDER`. The default is `$LAMELLA_NIX_CACHES`, "
            "or the `substituters` in Nix's configuration.",
            kinds.texts(kinds.line),
        ),
    ] = ()
    keys: Annotated[
        Sequence[str],
        Said(
            "Public keys, `NAME:BASE64`, one of which must have signed a package that is not locked. The default is "
            "`$LAMELLA_NIX_KEYS`, or the `trusted-public-keys` in Nix's configuration.",
            kinds.texts(kinds.line),
        ),
    ] = ()
