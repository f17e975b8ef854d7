"""A name and a password for another machine, and where people keep them for all programs."""

import base64
import netrc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Credential:
    """A name with a password, or an identity token that stands for both."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def home(environment: Mapping[str, str]) -> Path:
    """The user's folder."""
    return Path(environment.get("HOME") or "~").expanduser()


def of_netrc(host: str, environment: Mapping[str, str]) -> Credential | None:
    """What `~/.netrc`, or the file that `$NETRC` names, has for `host` (without a port)."""
    file = Path(environment.get("NETRC") or home(environment) / ".netrc")
    try:
        found = netrc.netrc(str(file)).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return Credential(found[0], found[2]) if found else None
