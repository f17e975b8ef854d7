"""Where Debian packages come from."""

from collections.abc import Sequence
from typing import Annotated

from lamella.spec import kinds
from lamella.spec.fields import Said, Value

NOT_RUN = ("apt", "debconf", "dpkg", "install-info", "ucf")
"""What packages depend on only for their scripts, which are not run."""


class Debian(Value, frozen=True, kw_only=True):
    """Where Debian packages come from, and which of them to leave out."""

    summary = "Where `deb` packages come from. The default is the configuration of apt on this machine."

    archives: Annotated[
        Sequence[str],
        Said(
            "Archives as in `sources.list`, without the word `deb`: `http://HOST/debian bookworm main`. The default is "
            "`$LAMELLA_DEBIAN`, one per line, or apt's configuration.",
            kinds.texts(kinds.line),
        ),
    ] = ()
    keyring: Annotated[
        str,
        Said(
            "A file with the keys that may sign them, relative to this file. The default is the keys that apt trusts.",
            kinds.line,
        ),
    ] = ""
    without: Annotated[
        Sequence[str],
        Said(
            "Packages to leave out even if others depend on them, unless the spec names them. The default is what "
            "only the scripts of packages need, because these are not run.",
            kinds.texts(kinds.line),
        ),
    ] = NOT_RUN
