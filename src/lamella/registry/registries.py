"""All registries that a run talks to, each with one set of connections. Nothing is imported before the first use."""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lamella.oci.reference import HOST, Reference

if TYPE_CHECKING:
    from lamella.registry.host import Host
    from lamella.registry.repository import Repository


@dataclass(frozen=True)
class Registries:
    """Hosts by name, created when they are first needed.

    `creds` are `HOST=NAME:PASSWORD`, or `NAME:PASSWORD` for the host `home`, or for any host if `home` is empty.
    """

    environment: Mapping[str, str] = field(repr=False)
    creds: Sequence[str] = field(default=(), repr=False)
    home: str = ""
    insecure: bool = False
    ca_file: str = ""
    _hosts: "dict[str, Host]" = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def repository(self, reference: Reference) -> "Repository":
        """The repository that `reference` is in."""
        from lamella.registry.repository import Repository

        with self._lock:
            host = self._hosts.get(reference.registry)
            if host is None:
                host = self._hosts[reference.registry] = self._meet(reference.registry)
        return Repository(host, reference.repository)

    def close(self) -> None:
        """Close all connections."""
        for host in self._hosts.values():
            host.close()

    def _meet(self, name: str) -> "Host":
        from lamella.registry.credentials import Keychain, parse_credential
        from lamella.registry.host import Host
        from lamella.transport.connections import Settings

        said = None
        for text in filter(None, self.creds):
            host, mark, rest = text.partition("=")
            if mark and ("." in host or ":" in host.rstrip(":") or host == "localhost") and re.fullmatch(HOST, host):
                said = parse_credential(rest) if host == name else said
            elif self.home in ("", name):
                said = said or parse_credential(text)
        settings = Settings(self.insecure, self.ca_file, self.environment)
        return Host(name, Keychain(self.environment, said), settings)
