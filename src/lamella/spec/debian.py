"""Where Debian packages come from."""

from collections.abc import Sequence
from typing import Annotated

from lamella.spec import kinds
from lamella.spec.fields import Said, Value

NOT_RUN = ("apt", "debconf", "dpkg", "install-info", "ucf")
"""What packages depend on for the sake of their scripts only, which are not run."""


class Debian(Value, frozen=True, kw_only=True):
    """Where Debian packages come from, and which of them are not wanted."""

    summary = "Where the packages of `deb` come from; without it, from where apt on this machine takes them."

    archives: Annotated[
        Sequence[str],
        Said(
            "Archives as `sources.list` has them, without `deb` before them: `http://HOST/debian bookworm main`. "
            "Without it those of `$LAMELLA_DEBIAN`, one on a line, or those of apt.",
            kinds.texts(kinds.line),
        ),
    ] = ()
    keyring: Annotated[
        str,
        Said("The file of keys that may sign them, from the folder of this file; else those apt trusts.", kinds.line),
    ] = ""
    without: Annotated[
        Sequence[str],
        Said(
            "Packages to leave out though others depend on them, unless they are asked for by name. No script of a "
            "package is run, so at first these are what only scripts need.",
            kinds.texts(kinds.line),
        ),
    ] = NOT_RUN
