"""Pushed paths are served if they are right; otherwise, nothing of them is."""

import asyncio
import base64
import gzip
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.buckets import Memory
from tests.nars import Cache, store_path
from tests.server.nixcache.house import AT, Client, Sent, lines, served, tree

from lamella.cache.bucket import SharedBucket
from lamella.cache.holds import DOOMED, Doom
from lamella.cache.narinfos import leads, nar_of, narinfo_item
from lamella.server.answers import RefusedError
from lamella.server.nixcache import listing
from lamella.server.nixcache.settings import NixCache

HASH = "a" * 32
PATH, OTHER = store_path("a", "app-1.0"), store_path("b", "lib-2")
Asked = Callable[[Client], Awaitable[None]]


def ask(asked: Asked, bucket: SharedBucket, spool: Path, *settings: NixCache, largest: int = 1 << 30) -> None:
    async def run() -> None:
        async with served(bucket, spool, *settings, largest=largest) as client:
            await asked(client)

    asyncio.run(run())


@pytest.fixture
def sent(tmp_path: Path, theirs: Cache) -> Sent:
    return Sent(theirs, PATH, tree(tmp_path / "tree"))


def stored(bucket: SharedBucket) -> list[str]:
    return [item.name for item in bucket.list()]


@pytest.mark.parametrize("compression", ["xz", "zstd", "bzip2", "none"])
def test_a_path_comes_back(bucket: SharedBucket, tmp_path: Path, sent: Sent, compression: str) -> None:
    sent.compression = compression

    async def asked(client: Client) -> None:
        assert (await client.head(f"{AT}/{sent.hashed}.narinfo")).status == 404
        assert await sent.put(client) == (200, 200)
        answer = await client.get(f"{AT}/{sent.hashed}.narinfo")
        assert answer.headers["Content-Type"].startswith("text/x-nix-narinfo")
        assert lines(await answer.text()) == {**lines(sent.narinfo), "References": [""]}
        nar = await client.get(f"{AT}/nar/{sent.file}")
        assert (await nar.read(), nar.headers["Content-Type"]) == (sent.packed, "application/x-nix-nar")
        part = await client.get(f"{AT}/nar/{sent.file}", headers={"Range": "bytes=10-"})
        assert (part.status, await part.read()) == (206, sent.packed[10:])
        for name in (f"{sent.hashed}.narinfo", f"nar/{sent.file}"):
            answer = await client.head(f"{AT}/{name}")
            assert answer.status == 200
            assert int(answer.headers["Content-Length"]) > 0

    ask(asked, bucket, tmp_path)
    [narinfo] = [name for name in stored(bucket) if name.startswith("narinfo/")]
    assert narinfo == f"narinfo/main/{sent.hashed}"
    told = leads((bucket.get(narinfo) or b"").decode())
    assert {nar_of(name) for name in stored(bucket) if name.startswith("nar/")} == {told.nar}


def test_what_is_there_is_no_trouble(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    async def asked(client: Client) -> None:
        await sent.put(client)
        before = stored(bucket)
        assert await sent.put(client) == (200, 200)
        assert stored(bucket) == before

    ask(asked, bucket, tmp_path)


def test_another_nar_for_the_same_path_is_refused(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    other = Sent(sent.cache, PATH, tree(tmp_path / "other", "bye"))

    async def asked(client: Client) -> None:
        assert await sent.put(client) == (200, 200)
        assert await other.put(client) == (200, 409)
        assert lines(await (await client.get(f"{AT}/{sent.hashed}.narinfo")).text())["URL"] == [f"nar/{sent.file}"]
        assert (await client.delete(f"{AT}/{sent.hashed}.narinfo")).status == 204
        assert (await client.delete(f"{AT}/{sent.hashed}.narinfo")).status == 404
        assert (await client.get(f"{AT}/{sent.hashed}.narinfo")).status == 404
        assert await other.put_narinfo(client) == 200

    ask(asked, bucket, tmp_path)


def test_signatures_come_together(tmp_path: Path, sent: Sent) -> None:
    second = Cache(tmp_path / "second", name="second-1")

    async def asked(client: Client) -> None:
        await sent.put(client)
        await Sent(second, PATH, sent.nar).put_narinfo(client)
        told = lines(await (await client.get(f"{AT}/{sent.hashed}.narinfo")).text())
        assert [one.partition(":")[0] for one in told["Sig"]] == ["tests-1", "second-1"]

    ask(asked, Memory(), tmp_path)


def test_caches_share_nars_and_not_what_they_tell(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    async def asked(client: Client) -> None:
        await sent.put(client)
        assert (await client.get(f"/nix/second/{sent.hashed}.narinfo")).status == 404
        assert (await client.head(f"/nix/second/nar/{sent.file}")).status == 200
        assert await sent.put_narinfo(client, "/nix/second") == 200
        assert (await client.get(f"/nix/second/{sent.hashed}.narinfo")).status == 200

    ask(asked, bucket, tmp_path, NixCache(name="main"), NixCache(name="second"))


def test_references_come_first(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    lib = Sent(sent.cache, OTHER, tree(tmp_path / "lib", "lib"))
    sent.references = sorted([PATH, OTHER])

    async def asked(client: Client) -> None:
        assert await sent.put(client) == (200, 400)
        assert (await client.get(f"{AT}/{sent.hashed}.narinfo")).status == 404
        assert await lib.put(client) == (200, 200)
        assert await sent.put_narinfo(client) == 200

    ask(asked, bucket, tmp_path)


def test_a_narinfo_before_its_nar_is_refused(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    async def asked(client: Client) -> None:
        assert await sent.put_narinfo(client) == 400
        assert not stored(bucket)

    ask(asked, bucket, tmp_path)


def _forged(name: str) -> str:
    digits = base64.b64encode(Ed25519PrivateKey.generate().sign(b"x")).decode()
    return f"{name}:{digits}"


LIES = {
    "another NAR": {"NarHash": f"sha256:{'1' * 52}"},
    "another size": {"NarSize": "7"},
    "a size that is none": {"NarSize": "-1"},
    "a huge size": {"NarSize": str(1 << 60)},
    "another size of the file": {"FileSize": "7"},
    "another file": {"FileHash": f"sha256:{'1' * 52}"},
    "another compression": {"Compression": "zstd"},
    "no compression": {"Compression": "none"},
    "a compression that is unknown": {"Compression": "lzip"},
    "an address elsewhere": {"URL": "https://example.org/x.nar"},
    "an address above": {"URL": "nar/../../x.nar"},
    "another path": {"StorePath": OTHER},
    "a path of another store": {"StorePath": f"/other/{PATH[5:]}"},
    "a path below": {"StorePath": f"{PATH}/bin"},
    "a path with strange signs": {"StorePath": f"{PATH}\x1b[2J"},
    "a reference that is none": {"References": "../../etc/passwd"},
    "a reference with strange signs": {"References": f"{'c' * 32}-x\x07"},
    "a deriver with strange signs": {"Deriver": "\x1b[2J"},
    "no path": {"StorePath": ""},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_client(tmp_path: Path, sent: Sent, lie: str) -> None:
    bucket = Memory()
    sent.changes = LIES[lie]

    async def asked(client: Client) -> None:
        assert await sent.put(client) == (200, 400)
        assert not [name for name in stored(bucket) if name.startswith("narinfo/")]
        sent.changes = {}
        assert await sent.put_narinfo(client) == 200

    ask(asked, bucket, tmp_path)


def test_only_the_trusted_may_bring(tmp_path: Path, sent: Sent) -> None:
    stranger = Cache(tmp_path / "stranger")
    settings = NixCache(name="main", trusted=[sent.cache.key])

    async def asked(client: Client) -> None:
        assert await Sent(stranger, PATH, sent.nar).put(client) == (200, 403)
        for signature in ("", _forged("tests-1"), "tests-1:", "tests-1"):
            sent.changes = {"Sig": signature}
            assert await sent.put_narinfo(client) == 403, signature
        sent.changes = {}
        assert await sent.put_narinfo(client) == 200

    ask(asked, Memory(), tmp_path, settings)


def test_the_cache_signs(tmp_path: Path, sent: Sent) -> None:
    keys = [Ed25519PrivateKey.generate() for _ in range(2)]
    texts = [
        f"ours-{i}:{base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()}"
        for i, key in enumerate(keys)
    ]
    (tmp_path / "keys").write_text("\n".join(texts) + "\n")

    async def asked(client: Client) -> None:
        await sent.put(client)
        told = lines(await (await client.get(f"{AT}/{sent.hashed}.narinfo")).text())
        signatures = dict(one.split(":", 1) for one in told["Sig"])
        assert list(signatures) == ["tests-1", "ours-0", "ours-1"]
        fingerprint = f"1;{PATH};{told['NarHash'][0]};{told['NarSize'][0]};".encode()
        for i, key in enumerate(keys):
            key.public_key().verify(base64.b64decode(signatures[f"ours-{i}"]), fingerprint)
        page = await (await client.get(f"{AT}/")).text()
        public = base64.b64encode(keys[0].public_key().public_bytes_raw()).decode()
        assert f"ours-0:{public}" in page

    ask(asked, Memory(), tmp_path, NixCache(name="main", keys=str(tmp_path / "keys")))


def test_a_nar_that_is_not_what_its_name_says(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    async def asked(client: Client) -> None:
        wrong = [sent.packed[:-1], sent.packed + b"x", b"", sent.nar, sent.packed[:-20] + bytes(20)]
        for data in wrong:
            assert (await client.put(f"{AT}/nar/{sent.file}", data=data)).status == 400
        assert (await client.put(f"{AT}/nar/{'1' * 52}.nar.xz", data=sent.packed)).status == 400
        assert not stored(bucket)

    ask(asked, bucket, tmp_path)
    assert not list(tmp_path.glob("**/staging/*"))


def test_an_upload_that_is_cut_leaves_nothing(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    async def asked(client: Client) -> None:
        _, writer = await asyncio.open_connection(client.host, client.port)
        head = f"PUT {AT}/nar/{sent.file} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent.packed)}\r\n\r\n"
        writer.write(head.encode() + sent.packed[:-1])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await sent.put_narinfo(client) == 400
        assert (await client.head(f"{AT}/nar/{sent.file}")).status == 404

    ask(asked, bucket, tmp_path)
    assert not stored(bucket)
    assert not list(tmp_path.glob("**/staging/*"))


def test_what_is_too_large_is_refused(tmp_path: Path, theirs: Cache) -> None:
    bucket = Memory()
    bomb = Sent(theirs, PATH, bytes(40_000_000), compression="zstd")
    plain = Sent(theirs, PATH, bytes(40_000_000), compression="none")

    async def asked(client: Client) -> None:
        assert len(bomb.packed) < 10_000
        assert await bomb.put_nar(client) == 413
        assert await plain.put_nar(client) == 413
        narinfo = await client.put(f"{AT}/{bomb.hashed}.narinfo", data=io.BytesIO(b"x: y\n" * 300_000))
        assert narinfo.status == 413
        for coding in ("br", "gzip", "deflate"):
            coded = await client.put(f"{AT}/nar/{bomb.file}", data=b"x", headers={"Content-Encoding": coding})
            assert coded.status in (400, 415)

    ask(asked, bucket, tmp_path, largest=30_000_000)
    assert not stored(bucket)


def test_what_has_too_many_files_is_not_listed(tmp_path: Path, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(client: Client) -> None:
        await sent.put(client)
        monkeypatch.setattr(listing, "_MOST_FILES", 3)
        assert (await client.get(f"{AT}/{sent.hashed}.ls")).status == 413
        monkeypatch.undo()
        assert (await client.get(f"{AT}/{sent.hashed}.ls")).status == 200

    ask(asked, Memory(), tmp_path)


@pytest.mark.parametrize("host", ["x:999999", "[::", "a b", '"><script>', "u@h", ""])
def test_a_host_that_is_none_is_not_repeated(tmp_path: Path, host: str) -> None:
    async def asked(client: Client) -> None:
        answer = await client.get(f"{AT}/", headers={"Host": host})
        assert answer.status == 200
        assert "nix copy --to http://HOST/nix/main" in await answer.text()
        answer = await client.get(f"{AT}/", headers={"Host": "cache.example.com:8080"})
        assert "nix copy --to http://cache.example.com:8080/nix/main" in await answer.text()

    ask(asked, Memory(), tmp_path)


def test_facts_that_were_lost_are_found_again(tmp_path: Path, sent: Sent) -> None:
    bucket = Memory()

    async def asked(client: Client) -> None:
        await sent.put_nar(client)
        bucket.delete(f"nar/{sent.file}.facts")
        sent.changes = {"NarSize": "7"}
        assert await sent.put_narinfo(client) == 400
        bucket.put(f"nar/{sent.file}.facts", b"damaged")
        sent.changes = {}
        assert await sent.put_narinfo(client) == 200

    ask(asked, bucket, tmp_path)


def test_a_listing_is_made_of_the_nar(bucket: SharedBucket, tmp_path: Path, sent: Sent) -> None:
    async def asked(client: Client) -> None:
        await sent.put(client)
        lie = json.dumps({"version": 1, "root": {"type": "directory", "entries": {}}})
        assert (await client.put(f"{AT}/{sent.hashed}.ls", data=lie)).status == 200
        for _ in range(2):
            answer = await client.get(f"{AT}/{sent.hashed}.ls")
            root = (await answer.json())["root"]
            assert set(root["entries"]) == {"bin", "empty", "link", "none", "text"}
            run = root["entries"]["bin"]["entries"]["run"]
            assert run.items() >= {"type": "regular", "size": 21, "executable": True}.items()
            assert sent.nar[run["narOffset"] :].startswith(b"#!/bin/sh\necho hello\n")
            assert root["entries"]["link"] == {"type": "symlink", "target": "bin/run"}
        packed = await client.get(f"{AT}/{sent.hashed}.ls", headers={"Accept-Encoding": "gzip"}, auto_decompress=False)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(await packed.read()))["root"] == root
        assert (await client.get(f"{AT}/{'1' * 32}.ls")).status == 404

    ask(asked, bucket, tmp_path)


def test_logs(bucket: SharedBucket, tmp_path: Path) -> None:
    name = f"{'a' * 32}-app-1.0.drv"

    async def asked(client: Client) -> None:
        assert (await client.get(f"{AT}/log/{name}")).status == 404
        for text in ("making\n", "making it again \x1b[1mbold\n"):
            assert (await client.put(f"{AT}/log/{name}", data=text)).status == 200
            answer = await client.get(f"{AT}/log/{name}")
            assert (await answer.text(), answer.headers["Content-Type"]) == (text, "text/plain; charset=utf-8")
        assert (await client.get(f"/nix/second/log/{name}")).status == 404

    ask(asked, bucket, tmp_path, NixCache(name="main"), NixCache(name="second"))


def test_what_the_cache_tells_of_itself(tmp_path: Path) -> None:
    async def asked(client: Client) -> None:
        about = await (await client.get("/nix/main/nix-cache-info")).text()
        assert about == "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 7\n"
        assert (await client.get(f"{AT}/realisations/sha256:{'1' * 64}!out.doi")).status == 404
        for at in (AT, f"{AT}/"):
            page = await (await client.get(at)).text()
            assert f"extra-substituters = http://127.0.0.1:{client.port}/nix/main\n" in page

    ask(asked, Memory(), tmp_path, NixCache(name="main", priority=7))


def test_who_may_do_what(tmp_path: Path, sent: Sent) -> None:
    bucket, wanted = Memory(), list[tuple[str, str]]()

    def refuse(_: web.Request, action: str, name: str) -> None:
        wanted.append((action, name))
        raise RefusedError(401, "UNAUTHORIZED", "who are you?", headers={"WWW-Authenticate": "Basic"})

    names = [f"{HASH}.narinfo", f"{HASH}.ls", f"nar/{sent.file}", f"log/{HASH}-x.drv"]
    pulls = ["", "/", "/nix-cache-info", f"/nar/{HASH}-{'1' * 52}.nar", *(f"/{name}" for name in names)]

    async def run() -> None:
        async with served(bucket, tmp_path, gate=refuse) as client:
            for method, paths, action in (
                ("GET", pulls, "pull"),
                ("HEAD", pulls, "pull"),
                ("PUT", [f"/{name}" for name in names], "push"),
                ("DELETE", [f"/{HASH}.narinfo"], "delete"),
            ):
                for path in paths:
                    wanted.clear()
                    answer = await client.request(method, f"{AT}{path}")
                    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Basic")
                    assert wanted == [(action, "nix/main")]

    asyncio.run(run())
    assert not stored(bucket)


BAD = [
    "x.narinfo",
    f"{'a' * 31}.narinfo",
    f"{'a' * 33}.narinfo",
    f"{'e' * 32}.narinfo",
    f"{'A' * 32}.narinfo",
    f"{'%61' * 32}x.narinfo",
    f"..%2f{'a' * 32}.narinfo",
    f"nar/{'1' * 51}.nar",
    f"nar/{'1' * 52}.nar.exe",
    f"nar/{'1' * 52}.nar.facts",
    f"nar/{'1' * 52}.nar%00",
    "nar/..%2f..%2fnarinfo%2fmain",
    "nar/%2e%2e/x",
    "nar/",
    "nar",
    "log/..",
    "log/%2e%2e%2fx.drv",
    "log/x.drv",
    f"log/{'a' * 32}-%0a.drv",
    f"log/{'a' * 32}-{'x' * 300}.drv",
    f"log/{'a' * 32}-%c3%bc.drv",
    "a" * 5000,
    "%ff%fe.narinfo",
]


@pytest.mark.parametrize("name", BAD)
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    from yarl import URL

    bucket = Memory()

    async def asked(client: Client) -> None:
        url = URL(f"http://127.0.0.1:{client.port}{AT}/{name}", encoded=True)
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            async with client.session.request(method, url, data=b"x" if method == "PUT" else None) as answer:
                assert answer.status in (400, 404, 405), method

    ask(asked, bucket, tmp_path)
    assert not stored(bucket)


def test_a_path_that_is_being_removed_is_not_told_of(tmp_path: Path, sent: Sent) -> None:
    bucket = Memory()

    async def asked(client: Client) -> None:
        await sent.put(client)
        bucket.put(DOOMED, msgspec.json.encode(Doom("somebody", 1e12, [narinfo_item("main", sent.hashed)])))
        assert (await client.get(f"{AT}/{sent.hashed}.narinfo")).status == 503
        bucket.delete(DOOMED)
        assert (await client.get(f"{AT}/{sent.hashed}.narinfo")).status == 200

    ask(asked, bucket, tmp_path)
