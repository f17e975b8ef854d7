"""The address of this server as a client wrote it, and the commands that pull from there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_LOCAL = "localhost"


@dataclass(frozen=True)
class OwnAddress:
    """The address at which the client reached us: `https://HOST`. A value that is not a host is never shown."""

    origin: str

    @property
    def is_secure(self) -> bool:
        """Whether it uses TLS."""
        return self.origin.startswith("https://")

    @property
    def host(self) -> str:
        """The host as image names start with it. A single word would mean something else there, so it gets its port."""
        host = self.origin.partition("://")[2]
        if not _HOST.fullmatch(host):
            return "HOST"
        if "." in host or ":" in host or host == _LOCAL:
            return host
        return f"{host}:{443 if self.is_secure else 80}"

    @property
    def url(self) -> str:
        """The start of all addresses."""
        return f"{self.origin.partition('://')[0]}://{self.host}"

    def commands(self, name: str, reference: str = "", digest: str = "") -> Sequence[tuple[str, str]]:
        """Return the commands that pull an image; with its `digest`, also one that pulls exactly that."""
        image = f"{self.host}/{name}"
        at = f"{'@' if ':' in reference else ':'}{reference}" if reference else ""
        trust = "" if self.is_secure else " --tls-verify=false"
        plain = "" if self.is_secure else " --plain-http"
        pinned = [("by digest", f"docker pull {image}@{digest}")] if digest not in ("", reference) else []
        return (
            ("Docker", f"docker pull {image}{at}"),
            ("podman", f"podman pull{trust} {image}{at}"),
            ("containerd", f"ctr images pull{plain} {image}{at or ':latest'}"),
            *pinned,
        )
