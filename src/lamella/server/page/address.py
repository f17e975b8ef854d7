"""The commands that pull from this server, for its pages to show."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lamella.server.demand.settings import DEB, NIX, PYPI, Source

_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_LOCAL = "localhost"
_EXAMPLES = {NIX: "shell/git/htop", DEB: "bash/curl", PYPI: "numpy"}
_KINDS = {NIX: "Nix packages", DEB: "Debian packages", PYPI: "Python packages"}


@dataclass(frozen=True)
class Address:
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


@dataclass(frozen=True, slots=True)
class Example:
    """A source, and the name of one of its images."""

    prefix: str
    what: str
    name: str


def examples(sources: Sequence[Source]) -> Iterator[Example]:
    """Yield an example for each source. Names without a prefix belong to the first source."""
    for i, source in enumerate(sources):
        name = _EXAMPLES.get(source.kind, "NAME")
        prefix = f"{source.name}/"
        yield Example(prefix, _KINDS.get(source.kind, "images from specs"), name if i == 0 else prefix + name)
