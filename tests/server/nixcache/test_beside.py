"""Paths of other caches are served from here, downloaded once, and kept if they are right."""

import asyncio
import base64
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError
from tests.buckets import Memory
from tests.index import Index, serving
from tests.nars import Cache, nar_of, store_path
from tests.server.nixcache.house import AT, Client, Sent, lines, served, tree

from lamella.cache.bucket import SharedBucket
from lamella.cache.folder import Folder
from lamella.server import threads
from lamella.server.nixcache.settings import NixCache, Upstream

PATH, OTHER = store_path("a", "app-1.0"), store_path("b", "lib-2")
HASH = "a" * 32
Asked = Callable[[Client], Awaitable[None]]


def ask(asked: Asked, bucket: SharedBucket, spool: Path, settings: NixCache) -> None:
    async def run() -> None:
        async with served(bucket, spool / "spool", settings) as client:
            await asked(client)

    asyncio.run(run())


def beside(*caches: Cache, keep: bool = True, index: Index | None = None) -> NixCache:
    urls = [f"http://127.0.0.1:{index.port}/plain" if index else cache.url for cache in caches]
    found = [Upstream(url=url, keys=[cache.key]) for url, cache in zip(urls, caches, strict=True)]
    return NixCache(name="main", upstreams=found, keep=keep)


async def fetched(client: Client) -> tuple[dict[str, list[str]], bytes]:
    """Return the narinfo of the path, and its NAR."""
    told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
    answer = await client.get(f"{AT}/{told['URL'][0]}")
    assert answer.status == 200
    return told, await answer.read()


def stored(bucket: SharedBucket) -> list[str]:
    return [item.name for item in bucket.list()]


@pytest.mark.parametrize("compression", ["xz", "zstd", "bzip2", "none"])
@pytest.mark.parametrize("hashed", [True, False])
def test_a_path_of_another_cache_comes_and_is_kept(
    bucket: SharedBucket, tmp_path: Path, theirs: Cache, compression: str, hashed: bool
) -> None:
    theirs.compression = compression
    unknown = {} if hashed else {"FileHash": "", "FileSize": ""}
    theirs.add(PATH, _tree(tmp_path), **unknown)
    before: list[bytes] = []

    async def first(client: Client) -> None:
        assert (await client.head(f"{AT}/{HASH}.narinfo")).status == 200
        told, nar = await fetched(client)
        assert told["Sig"] == lines((theirs.folder / f"{HASH}.narinfo").read_text())["Sig"]
        assert HASH in told["URL"][0]
        assert (await client.head(f"{AT}/{told['URL'][0]}")).status == 200
        before.extend([nar, told["URL"][0].encode()])

    async def second(client: Client) -> None:
        told, nar = await fetched(client)
        assert nar == before[0]
        assert HASH not in told["URL"][0]
        assert told["FileSize"] == [str(len(nar))]
        old = await client.get(f"{AT}/{before[1].decode()}", headers={"Range": "bytes=5-"})
        assert await old.read() == nar[5:]

    ask(first, bucket, tmp_path, beside(theirs))
    for file in (theirs.folder / "nar").iterdir():
        assert file.read_bytes() == before[0]
        file.unlink()
    ask(second, bucket, tmp_path, NixCache(name="main"))


def test_nothing_is_kept_unless_it_is_wanted(tmp_path: Path, theirs: Cache) -> None:
    theirs.add(PATH, _tree(tmp_path))
    bucket = Memory()

    async def asked(client: Client) -> None:
        for _ in range(2):
            _, nar = await fetched(client)
            assert nar == next((theirs.folder / "nar").iterdir()).read_bytes()

    ask(asked, bucket, tmp_path, beside(theirs, keep=False))
    assert not stored(bucket)


def test_many_at_once_lead_to_one_fetch(tmp_path: Path, theirs: Cache) -> None:
    theirs.compression = "none"
    (tmp_path / "tree").write_bytes(os.urandom(20_000_000))
    theirs.add(PATH, tmp_path / "tree")
    bucket = Memory()

    with serving(Index(theirs.folder)) as index:

        async def asked(client: Client) -> None:
            found = await asyncio.gather(*[fetched(client) for _ in range(20)])
            assert len({nar for _, nar in found}) == 1

        ask(asked, bucket, tmp_path, beside(theirs, index=index))
        assert len([path for path in index.asked if "/nar/" in path]) == 1


def test_the_first_bytes_do_not_wait_for_the_last(tmp_path: Path, theirs: Cache) -> None:
    """The other cache sends no more until the client has received something."""
    theirs.compression = "none"
    (tmp_path / "tree").write_bytes(os.urandom(3_000_000))
    theirs.add(PATH, tmp_path / "tree")

    async def run() -> None:
        seen = asyncio.Event()

        async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            body = (theirs.folder / path[1:]).read_bytes()
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
            writer.write(body[:2_000_000])
            if "/nar/" in path:
                await seen.wait()
            writer.write(body[2_000_000:])
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(give, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = NixCache(name="main", upstreams=[Upstream(url=url, keys=[theirs.key])])
        async with server, served(Memory(), tmp_path / "spool", settings) as client:
            told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
            answer = await client.get(f"{AT}/{told['URL'][0]}")
            start = await answer.content.readexactly(1_000_000)
            seen.set()
            assert start + await answer.read() == next((theirs.folder / "nar").iterdir()).read_bytes()

    asyncio.run(run())


def test_nars_that_do_not_come_hold_up_nothing_else(
    tmp_path: Path, theirs: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_AT_ONCE", 1)
    theirs.add(PATH, _tree(tmp_path))

    async def run() -> None:
        asked, seen = asyncio.Event(), asyncio.Event()

        async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            if "/nar/" in path:
                asked.set()
                await seen.wait()
            file = theirs.folder / path[1:]
            body = file.read_bytes() if file.exists() else b""
            status = "200 OK" if body else "404 Not Found"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
            )
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(give, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = NixCache(name="main", upstreams=[Upstream(url=url, keys=[theirs.key])])
        async with server, served(Memory(), tmp_path / "spool", settings) as client:
            told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
            waiting = asyncio.create_task(client.get(f"{AT}/{told['URL'][0]}"))
            await asked.wait()
            async with asyncio.timeout(10):
                assert (await client.get(f"{AT}/{'1' * 32}.narinfo")).status == 404
            seen.set()
            assert (await waiting).status == 200

    asyncio.run(run())


def test_what_nobody_waits_for_is_not_fetched(tmp_path: Path, theirs: Cache) -> None:
    """When the last client leaves, the download stops, unless the NAR is to be kept."""
    theirs.compression = "none"
    told_hash, told_size = f"sha256:{'1' * 52}", str(1 << 40)
    signature = base64.b64encode(theirs.private.sign(f"1;{PATH};{told_hash};{told_size};".encode())).decode()
    theirs.add_nar(
        PATH, b"", NarHash=told_hash, NarSize=told_size, FileHash="", FileSize="", Sig=f"tests-1:{signature}"
    )
    theirs_text = (theirs.folder / f"{HASH}.narinfo").read_bytes()

    async def run() -> None:
        stopped = asyncio.Event()

        async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            length = len(theirs_text) if path.endswith("narinfo") else 1 << 40
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode())
            try:
                if path.endswith("narinfo"):
                    writer.write(theirs_text)
                while "/nar/" in path:
                    writer.write(bytes(100_000))
                    await writer.drain()
                    await asyncio.sleep(0.001)
            except ConnectionError:
                stopped.set()
            writer.close()

        server = await asyncio.start_server(give, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = NixCache(name="main", upstreams=[Upstream(url=url, keys=[theirs.key])], keep=False)
        async with server, served(Memory(), tmp_path / "spool", settings) as client:
            told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
            answer = await client.get(f"{AT}/{told['URL'][0]}")
            await answer.content.readexactly(1_000_000)
            answer.close()
            await asyncio.wait_for(stopped.wait(), 20)

    asyncio.run(run())


def _flipped(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


LIES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": _flipped,
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"x",
    "endless": lambda data: data + bytes(5_000_000),
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("compression", ["zstd", "none"])
@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_never_looks_whole_and_is_not_kept(
    tmp_path: Path, theirs: Cache, lie: str, hashed: bool, compression: str
) -> None:
    theirs.compression = compression
    unknown = {} if hashed else {"FileHash": "", "FileSize": ""}
    theirs.add(PATH, _tree(tmp_path), **unknown)
    [file] = (theirs.folder / "nar").iterdir()
    right = file.read_bytes()
    bucket = Memory()

    async def asked(client: Client) -> None:
        told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
        file.write_bytes(LIES[lie](right))
        answer = await client.get(f"{AT}/{told['URL'][0]}")
        if answer.status == 200:
            with pytest.raises(ClientPayloadError):
                await answer.read()
        assert answer.status in (200, 502)
        assert not stored(bucket)
        file.write_bytes(right)
        assert (await fetched(client))[1] == right

    ask(asked, bucket, tmp_path, beside(theirs))


def test_a_size_that_is_wrong_leaves_nobody_waiting(tmp_path: Path, theirs: Cache) -> None:
    """The size of the file is not signed; a client that expects too many bytes would wait for the rest."""
    theirs.add(PATH, _tree(tmp_path), FileHash="", FileSize="1000000")
    bucket = Memory()

    async def asked(client: Client) -> None:
        told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
        answer = await client.get(f"{AT}/{told['URL'][0]}")
        if answer.status == 200:
            with pytest.raises(ClientPayloadError):
                await asyncio.wait_for(answer.read(), 10)
        assert answer.status in (200, 502)
        assert not stored(bucket)

    ask(asked, bucket, tmp_path, beside(theirs))


def test_a_lost_connection_is_taken_up(tmp_path: Path, theirs: Cache) -> None:
    (tmp_path / "tree").write_bytes(os.urandom(3_000_000))
    theirs.add(PATH, tmp_path / "tree")
    with serving(Index(theirs.folder, cut=1_000_000)) as index:

        async def asked(client: Client) -> None:
            assert (await fetched(client))[1] == next((theirs.folder / "nar").iterdir()).read_bytes()

        ask(asked, Memory(), tmp_path, beside(theirs, index=index))


@pytest.mark.parametrize(
    "changes",
    [
        {"Sig": ""},
        {"Sig": "tests-1:AAAA"},
        {"NarHash": f"sha256:{'1' * 52}"},
        {"References": f"{'b' * 32}-more"},
        {"StorePath": OTHER},
        {"StorePath": ""},
        {"Compression": "lzip"},
        {"NarSize": "x"},
    ],
)
def test_what_nobody_vouches_for_is_not_there(tmp_path: Path, theirs: Cache, changes: dict[str, str]) -> None:
    theirs.add(PATH, _tree(tmp_path))
    text = (theirs.folder / f"{HASH}.narinfo").read_text()
    told = "".join(f"{line}\n" for line in text.splitlines() if line.partition(": ")[0] not in changes)
    told += "".join(f"{name}: {value}\n" for name, value in changes.items() if value)
    (theirs.folder / f"{HASH}.narinfo").write_text(told)
    second = Cache(tmp_path / "second")

    async def asked(client: Client) -> None:
        assert (await client.get(f"{AT}/{HASH}.narinfo")).status == 404

    async def both(client: Client) -> None:
        assert lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())["StorePath"] == [PATH]

    ask(asked, Memory(), tmp_path, beside(theirs))
    second.add(PATH, tmp_path / "tree")
    ask(both, Memory(), tmp_path, beside(theirs, second))


def test_a_cache_that_does_not_answer(tmp_path: Path, theirs: Cache) -> None:
    theirs.add(PATH, _tree(tmp_path))
    with serving(Index(theirs.folder, login="me:secret")) as index:
        down = Upstream(url=f"http://127.0.0.1:{index.port}/plain", keys=[theirs.key])
        alone = NixCache(name="main", upstreams=[down])
        both = NixCache(name="main", upstreams=[down, *beside(theirs).upstreams])

        async def nothing(client: Client) -> None:
            for _ in range(2):
                assert (await client.get(f"{AT}/{'1' * 32}.narinfo")).status == 502

        async def from_the_other(client: Client) -> None:
            assert (await client.get(f"{AT}/{HASH}.narinfo")).status == 200

        ask(nothing, Memory(), tmp_path, alone)
        ask(from_the_other, Memory(), tmp_path, both)


def test_what_is_not_there_is_asked_for_once(tmp_path: Path, theirs: Cache) -> None:
    theirs.add(PATH, _tree(tmp_path))
    with serving(Index(theirs.folder)) as index:

        async def asked(client: Client) -> None:
            for _ in range(3):
                assert (await client.get(f"{AT}/{'1' * 32}.narinfo")).status == 404
                assert (await client.get(f"{AT}/{HASH}.narinfo")).status == 200

        ask(asked, Memory(), tmp_path, beside(theirs, index=index))
        assert sorted(index.asked) == [f"/plain/{'1' * 32}.narinfo", f"/plain/{HASH}.narinfo"]


def test_what_is_pushed_may_refer_to_what_is_beside(tmp_path: Path, theirs: Cache) -> None:
    theirs.add(OTHER, _tree(tmp_path))
    sent = Sent(Cache(tmp_path / "mine"), PATH, tree(tmp_path / "more"), [OTHER])

    async def asked(client: Client) -> None:
        assert await sent.put(client) == (200, 200)

    ask(asked, Memory(), tmp_path, beside(theirs))


def test_no_room_for_what_is_on_its_way(tmp_path: Path, theirs: Cache, small_disk: Path) -> None:
    theirs.compression = "none"
    (tmp_path / "tree").write_bytes(os.urandom(8_000_000))
    theirs.add(PATH, tmp_path / "tree")
    bucket = Memory()

    async def asked(client: Client) -> None:
        told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
        answer = await client.get(f"{AT}/{told['URL'][0]}")
        with pytest.raises(ClientPayloadError):
            await answer.read()
        assert not stored(bucket)

    ask(asked, bucket, small_disk, beside(theirs))


def test_only_the_log_says_which_disk_is_full(
    tmp_path: Path, theirs: Cache, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs.add(PATH, _tree(tmp_path))
    with contextlib.suppress(OSError), (small_disk / "full").open("wb", buffering=0) as file:
        while file.write(bytes(1 << 12)):
            pass

    async def asked(client: Client) -> None:
        told = lines(await (await client.get(f"{AT}/{HASH}.narinfo")).text())
        answer = await client.get(f"{AT}/{told['URL'][0]}")
        assert answer.status == 503
        assert str(small_disk) not in await answer.text()

    with serving(Index(theirs.folder)) as index:
        ask(asked, Memory(), small_disk, beside(theirs, index=index))
    assert f"cannot write to {small_disk}" in caplog.text


def test_no_room_in_the_bucket(tmp_path: Path, theirs: Cache, small_disk: Path) -> None:
    """Clients get the NAR all the same; pushes are refused, and leave nothing behind."""
    bucket = Folder(small_disk / "bucket")
    theirs.compression = "none"
    (tmp_path / "tree").write_bytes(os.urandom(8_000_000))
    theirs.add(PATH, tmp_path / "tree")
    sent = Sent(Cache(tmp_path / "mine"), OTHER, nar_of(tmp_path / "tree"), compression="none")

    async def asked(client: Client) -> None:
        assert (await fetched(client))[1] == nar_of(tmp_path / "tree")
        assert await sent.put_nar(client) == 503

    ask(asked, bucket, tmp_path, beside(theirs))
    assert not stored(bucket)
    assert not list(small_disk.glob("**/staging/*"))


def _tree(tmp_path: Path) -> Path:
    tree(tmp_path / "tree")
    return tmp_path / "tree"
