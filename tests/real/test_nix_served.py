"""Nix itself as the client of our caches: it brings packages, and takes them from here and from nowhere else."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tests.index import Index, serving
from tests.real.nix import DATA, NixPackages
from tests.real.programs import run
from tests.real.test_nix_fill import closure_of, lamella, nix_believes

from lamella.cache.bucket import SharedBucket
from lamella.cache.folder import Folder
from lamella.server.answers import explaining
from lamella.server.gate import GATE
from lamella.server.nixcache.cache import cache_of
from lamella.server.nixcache.routes import Service
from lamella.server.nixcache.settings import NixCache, Upstream
from lamella.transport.connections import Settings
from lamella.transport.fetch import Fetcher

pytestmark = pytest.mark.real


@contextmanager
def served(settings: NixCache, bucket: SharedBucket, spool: Path) -> Iterator[str]:
    """The cache, in a thread; gives its address."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    port: list[int] = []
    stop = asyncio.Event()

    async def serve() -> None:
        fetcher = Fetcher(Settings())
        service = Service(cache_of(settings, bucket, fetcher, 1 << 34), spool)
        app = web.Application(middlewares=[explaining])
        app[GATE] = lambda *_: None
        app.add_routes(service.routes())
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.append(runner.addresses[0][1])
        ready.set()
        await stop.wait()
        await service.close()
        await runner.cleanup()
        fetcher.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield f"http://127.0.0.1:{port[0]}/nix/{settings.name}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def nix(*words: str | Path, home: Path) -> str:
    """Nix with a memory of its own: what it was told by other caches at this address is not so here."""
    return run("nix", *words, NIX_CONF_DIR=str(DATA), HOME=str(home))


@pytest.mark.parametrize("compression", ["xz", "zstd", "none"])
def test_what_nix_brings_nix_takes(packages: NixPackages, work: Path, compression: str) -> None:
    settings = NixCache(name="main", keys=str(work / "secret"))
    with served(settings, Folder(work / "bucket"), work / "spool") as url:
        to = f"{url}?compression={compression}&write-nar-listing=true"
        nix("copy", "--to", to, packages.hello, packages.bash, home=work / "home")
        told = json.loads(nix("path-info", "--store", url, "--json", "-r", packages.hello, home=work / "home2"))
        assert {one["path"] for one in told} == closure_of(packages.hello)
        nix_believes(url, work, packages.hello, packages.bash)
        listed = nix("store", "ls", "--store", url, "-R", packages.hello, home=work / "home2")
        assert "./bin/hello" in listed.split()
        assert "main, a Nix binary cache" in run("curl", "-sS", url)


def test_listings_are_those_of_nix(packages: NixPackages, work: Path) -> None:
    nix(
        "copy",
        "--to",
        f"file://{work}/cache?write-nar-listing=true&compression=none",
        packages.python3,
        home=work / "home",
    )
    with served(NixCache(name="main"), Folder(work / "bucket"), work / "spool") as url:
        nix("copy", "--to", f"{url}?compression=zstd", packages.python3, home=work / "home")
        files = list((work / "cache").glob("*.ls"))
        assert len(files) == len(closure_of(packages.python3))
        for file in files:
            assert json.loads(run("curl", "-sSf", f"{url}/{file.name}")) == json.loads(file.read_text())


def test_only_what_the_trusted_have_signed_comes_in(packages: NixPackages, work: Path) -> None:
    settings = NixCache(name="main", trusted=[(work / "public").read_text().strip()])
    with served(settings, Folder(work / "bucket"), work / "spool") as url:
        with pytest.raises(AssertionError, match="not signed by a key that this cache trusts"):
            nix("copy", "--to", url, packages.hello, home=work / "home")
        nix("copy", "--to", f"{url}?secret-key={work}/secret", packages.hello, home=work / "home")
        nix_believes(url, work, packages.hello)


def test_logs_of_builds(packages: NixPackages, work: Path) -> None:
    expression = (
        'derivation { name = "told"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/bin";'
        f' args = [ "-c" "echo what was said in {work.parent.name}; echo {work.parent.name} > $out" ]; }}'
    )
    built = json.loads(nix("build", "--no-link", "--json", "--impure", "--expr", expression, home=work / "home"))
    path = built[0]["outputs"]["out"]
    with served(NixCache(name="main"), Folder(work / "bucket"), work / "spool") as url:
        nix("copy", "--to", url, path, home=work / "home")
        nix("store", "copy-log", "--to", url, path, home=work / "home")
        assert f"what was said in {work.parent.name}" in nix("log", "--store", url, path, home=work / "home")


def test_the_store_of_this_machine(packages: NixPackages, work: Path) -> None:
    bucket = Folder(work / "bucket")
    with served(NixCache(name="main", keys=str(work / "secret"), store=True), bucket, work / "spool") as url:
        nix_believes(url, work, packages.hello, packages.python3)
        with pytest.raises(AssertionError):
            nix("path-info", "--store", url, f"/nix/store/{'0' * 32}-none", home=work / "home")
    assert not list(bucket.list())


@pytest.mark.parametrize("keep", [True, False])
def test_a_cache_beside_it(packages: NixPackages, work: Path, keep: bool) -> None:
    lamella(work, "cache", "push", packages.hello, "--to", (work / "cache").as_uri(), "--key", "secret")
    bucket = Folder(work / "bucket")
    with serving(Index(work / "cache")) as index:
        beside = Upstream(url=f"http://127.0.0.1:{index.port}/plain", keys=[(work / "public").read_text().strip()])
        with served(NixCache(name="main", upstreams=[beside], keep=keep), bucket, work / "spool") as url:
            nix_believes(url, work, packages.hello)
    kept = {item.name for item in bucket.list("narinfo/")}
    assert kept == ({f"narinfo/main/{path[11:43]}" for path in closure_of(packages.hello)} if keep else set())
    if keep:
        with served(NixCache(name="main"), bucket, work / "spool") as url:
            nix_believes(url, work, packages.hello)


def test_lamella_brings_and_takes(packages: NixPackages, work: Path) -> None:
    """`lamella cache push` fills such a cache, and `[store]` of a spec may name it."""
    with served(NixCache(name="main"), Folder(work / "bucket"), work / "spool") as url:
        words = ["cache", "push", packages.hello, "--to", url, "--key", "secret"]
        assert "sent" in lamella(work, *words)
        assert "0 paths sent" in lamella(work, *words)
        key = (work / "public").read_text()
        into = str(work / "in")
        told = lamella(work, "cache", "pull", packages.hello, "--from", url, "--trusted-key", key, "--into", into)
        assert "unpacked" in told
        assert run("nix-hash", f"{into}{packages.hello}") == run("nix-hash", packages.hello)
