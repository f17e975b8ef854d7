"""What tests of the client share: reachable registries, blobs, and waits that are only recorded."""

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.image import Buffer
from lamella.oci.wire import Descriptor
from lamella.registry.credentials import Keychain
from lamella.registry.host import Host
from lamella.registry.repository import Repository
from lamella.transport.connections import Settings
from lamella.transport.credential import Credential

LARGE = random.Random(1).randbytes(900_000)
HUGE = random.Random(2).randbytes(20 << 20)
NOBODY = {"HOME": "/nowhere"}


@dataclass
class Reach:
    """How to reach a registry, and how long the client would have waited."""

    name: str
    said: Credential | None = None
    settings: Settings = field(default_factory=Settings)
    waits: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def repository(self, name: str = "team/app", said: Credential | None = None) -> Iterator[Repository]:
        """A repository in it, with connections of its own."""
        keychain = Keychain(NOBODY, said or self.said)
        with contextlib.closing(Host(self.name, keychain, self.settings, self.waits.append)) as host:
            yield Repository(host, name)


def blob(data: bytes, kind: str = media.LAYER) -> Descriptor:
    return Descriptor(media_type=kind, digest=sha256(data), size=len(data))


def read(repository: Repository, data: bytes) -> bytes:
    found = bytearray()

    def take(block: Buffer) -> None:
        found.extend(block)

    repository.read_blob(blob(data), take)
    return bytes(found)
