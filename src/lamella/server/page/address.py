"""How to pull from here, as those who look at a page can type it."""

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
    """Where the client found us: `https://HOST`. What is no host is not repeated."""

    origin: str

    @property
    def is_secure(self) -> bool:
        """Whether by TLS."""
        return self.origin.startswith("https://")

    @property
    def host(self) -> str:
        """As the names of images begin. One word alone would mean something else there, so it gets its port."""
        host = self.origin.partition("://")[2]
        if not _HOST.fullmatch(host):
            return "HOST"
        if "." in host or ":" in host or host == _LOCAL:
            return host
        return f"{host}:{443 if self.is_secure else 80}"

    @property
    def url(self) -> str:
        """As addresses begin."""
        return f"{self.origin.partition('://')[0]}://{self.host}"

    def commands(self, name: str, reference: str = "", digest: str = "") -> Sequence[tuple[str, str]]:
        """How programs pull an image; with its `digest`, also how to get that and no other."""
        image = f"{self.host}/{name}"
        at = f"{'@' if ':' in reference else ':'}{reference}" if reference else ""
        trust = "" if self.is_secure else " --tls-verify=false"
        plain = "" if self.is_secure else " --plain-http"
        pinned = [("exactly this", f"docker pull {image}@{digest}")] if digest not in ("", reference) else []
        return (
            ("Docker", f"docker pull {image}{at}"),
            ("podman", f"podman pull{trust} {image}{at}"),
            ("containerd", f"ctr images pull{plain} {image}{at or ':latest'}"),
            *pinned,
        )


@dataclass(frozen=True, slots=True)
class Example:
    """A source, and the name of an image of it."""

    prefix: str
    what: str
    name: str


def examples(sources: Sequence[Source]) -> Iterator[Example]:
    """What can be asked for. The first source is meant by a name alone."""
    for i, source in enumerate(sources):
        name = _EXAMPLES.get(source.kind, "NAME")
        prefix = f"{source.name}/"
        yield Example(prefix, _KINDS.get(source.kind, "images of specs"), name if i == 0 else prefix + name)
