"""A name and a password for another machine, and where users keep them for all programs."""

import base64
import netrc
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from lamella.transport.home import home


@dataclass(frozen=True)
class Credential:
    """A name with a password, or an identity token that replaces both; `source` is where they were found."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    source: str = field(default="", compare=False)

    @property
    def who(self) -> str:
        """Whose it is and where it comes from, without secrets."""
        name = self.username or "the identity token"
        return f"{name} (from {self.source})" if self.source else name

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def of_netrc(host: str, environment: Mapping[str, str]) -> Credential | None:
    """The credential for `host` (without a port) in `~/.netrc`, or in the file that `$NETRC` names."""
    file = Path(environment.get("NETRC") or home(environment) / ".netrc")
    try:
        found = netrc.netrc(str(file)).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return Credential(found[0], found[2], source=str(file)) if found else None


_INDEXES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
)


def of_indexes(url: SplitResult, environment: Mapping[str, str]) -> Credential | None:
    """The credential for `url` from the address or the name of an index of Python packages on the same host and port.

    The password is empty if the address has only a name. What is for https is not sent in the open.
    """
    for word in (word for name in _INDEXES for word in environment.get(name, "").split()):
        label, _, address = word.rpartition("=") if re.match(r"[\w.-]+=https?://", word) else ("", "", word)
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        if parts.netloc.rpartition("@")[2] != url.netloc or "https" == parts.scheme != url.scheme:
            continue
        named = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', label.upper())}"
        username = unquote(parts.username or "") or (environment.get(f"{named}_USERNAME", "") if label else "")
        password = unquote(parts.password or "") or (environment.get(f"{named}_PASSWORD", "") if label else "")
        if username or password:
            return Credential(username, password)
    return None
