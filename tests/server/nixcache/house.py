"""A cache that is served in the test's process, and what is pushed to it."""

import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from tests.nars import PACKERS, Cache, base32, nar_of

from lamella.cache.bucket import SharedBucket
from lamella.server.answers import explaining
from lamella.server.gate import GATE, Gate
from lamella.server.nixcache.cache import cache_of
from lamella.server.nixcache.routes import Service
from lamella.server.nixcache.settings import NixCache
from lamella.transport.connections import Settings
from lamella.transport.fetch import Fetcher

AT = "/nix/main"
ENDINGS = {"xz": ".xz", "bzip2": ".bz2", "zstd": ".zst", "none": ""}
Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def served(
    bucket: SharedBucket, spool: Path, *settings: NixCache, largest: int = 1 << 30, gate: Gate = lambda *_: None
) -> AsyncIterator[Client]:
    """Run the caches, or one called main."""
    fetcher = Fetcher(Settings(), pause=lambda _: None)
    app = web.Application(middlewares=[explaining])
    app[GATE] = gate
    services = [Service(cache_of(one, bucket, fetcher, largest), spool) for one in settings or [NixCache(name="main")]]
    for service in services:
        app.add_routes(service.routes())
    async with TestClient(TestServer(app)) as client:
        yield client
        for service in services:
            await service.close()
    fetcher.close()


@dataclass
class Sent:
    """A store path as a client pushes it."""

    cache: Cache
    path: str
    nar: bytes
    references: Sequence[str] = ()
    compression: str = "xz"
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def hashed(self) -> str:
        return self.path.rpartition("/")[2][:32]

    @property
    def packed(self) -> bytes:
        return PACKERS[self.compression](self.nar)

    @property
    def file(self) -> str:
        return f"{base32(hashlib.sha256(self.packed).digest())}.nar{ENDINGS[self.compression]}"

    @property
    def narinfo(self) -> str:
        """Return its narinfo."""
        self.cache.compression = self.compression
        told = {"URL": f"nar/{self.file}", **self.changes}
        self.cache.add_nar(self.path, self.nar, self.references, **told)
        return (self.cache.folder / f"{self.hashed}.narinfo").read_text()

    async def put_nar(self, client: Client, at: str = AT) -> int:
        return (await client.put(f"{at}/nar/{self.file}", data=io.BytesIO(self.packed))).status

    async def put_narinfo(self, client: Client, at: str = AT) -> int:
        return (await client.put(f"{at}/{self.hashed}.narinfo", data=self.narinfo)).status

    async def put(self, client: Client, at: str = AT) -> tuple[int, int]:
        return await self.put_nar(client, at), await self.put_narinfo(client, at)


def tree(folder: Path, text: str = "hello") -> bytes:
    """Write a few files; return their NAR."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "run").write_text(f"#!/bin/sh\necho {text}\n")
    (folder / "bin" / "run").chmod(0o755)
    (folder / "empty").write_text("")
    (folder / "link").symlink_to("bin/run")
    (folder / "none").mkdir()
    (folder / "text").write_text(text)
    return nar_of(folder)


def lines(text: str) -> dict[str, list[str]]:
    """Parse a narinfo: its values by key."""
    told: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        told.setdefault(name, []).append(value)
    return told
