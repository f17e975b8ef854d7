"""Items as answers, from every kind of bucket."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from tests.objects import AWS

from lamella.cache.bucket import MissingError, SharedBucket
from lamella.cache.objects import bucket_at
from lamella.oci.image import Buffer
from lamella.server.serving import Served, in_threads, send_blocks, serve_item
from lamella.staging import StorageError

LARGE = os.urandom(5_000_000)
NAME = "layers/abc"
Got = tuple[int, bytes, Mapping[str, str]]


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application()
    app.router.add_get("/", answer)
    async with TestClient(TestServer(app)) as client:
        yield client


def item(
    bucket: SharedBucket, redirect: timedelta | None = None, size: int | None = None
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await serve_item(
                request, bucket, Served(NAME, "application/x-test", size, {"X-Told": "1"}), redirect
            )
        except MissingError:
            return web.Response(status=404)

    return answer


def asked(bucket: SharedBucket, *headers: dict[str, str], method: str = "GET") -> list[Got]:
    """Return what a client gets over one connection."""

    async def ask() -> list[Got]:
        found: list[Got] = []
        async with serving(item(bucket)) as client:
            for one in headers or ({},):
                async with client.request(method, "/", headers=one) as response:
                    found.append((response.status, await response.read(), response.headers))
        return found

    return asyncio.run(ask())


def test_an_item_as_a_whole(bucket: SharedBucket) -> None:
    bucket.put(NAME, LARGE)
    [(status, body, headers)] = asked(bucket)
    assert (status, body) == (200, LARGE)
    assert headers["Content-Length"] == str(len(LARGE))
    assert headers["Content-Type"] == "application/x-test"
    assert (headers["ETag"], headers["Accept-Ranges"], headers["X-Told"]) == ('"abc"', "bytes", "1")


def test_an_empty_item(bucket: SharedBucket) -> None:
    bucket.put(NAME, b"")
    (status, body, _), (beyond, _, _) = asked(bucket, {}, {"Range": "bytes=0-"})
    assert (status, body, beyond) == (200, b"", 416)


def test_head_tells_the_same_and_gives_nothing(bucket: SharedBucket) -> None:
    bucket.put(NAME, LARGE)
    [(status, body, headers)] = asked(bucket, method="HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(LARGE)))


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("0-0", 0, 1), ("5-9", 5, 10), ("4999999-", 4_999_999, None), ("100-99999999", 100, None), ("-7", -7, None)],
)
def test_a_part(bucket: SharedBucket, wanted: str, start: int, end: int | None) -> None:
    bucket.put(NAME, LARGE)
    [(status, body, headers)] = asked(bucket, {"Range": f"bytes={wanted}"})
    assert (status, body) == (206, LARGE[start:end])
    first = start % len(LARGE)
    assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(LARGE)}"


def test_parts_that_are_none(bucket: SharedBucket) -> None:
    bucket.put(NAME, b"0123456789")
    beyond = [{"Range": f"bytes={one}"} for one in ("10-", "99-5", "7-3", "-0", "10-20")]
    for status, _, headers in asked(bucket, *beyond):
        assert (status, headers["Content-Range"]) == (416, "bytes */10")
    nonsense = [{"Range": one} for one in ("bytes=-", "bytes=0-1,4-5", "lines=1-2", "bytes=0x1-2")]
    for status, body, _ in asked(bucket, *nonsense, {"Range": "bytes=0-3", "If-Range": '"other"'}):
        assert (status, body) == (200, b"0123456789")
    [(status, body, _)] = asked(bucket, {"Range": "bytes=0-3", "If-Range": '"abc"'})
    assert (status, body) == (206, b"0123")


def test_who_has_it_gets_nothing(bucket: SharedBucket) -> None:
    bucket.put(NAME, b"x")
    answers = asked(bucket, {"If-None-Match": '"abc"'}, {"If-None-Match": "*"}, {"If-None-Match": '"other"'})
    assert [(status, body) for status, body, _ in answers] == [(304, b""), (304, b""), (200, b"x")]


def test_what_is_not_there(bucket: SharedBucket) -> None:
    assert asked(bucket)[0][0] == 404


def test_a_client_is_sent_to_the_bucket(tmp_path: Path, s3: str) -> None:
    bucket = bucket_at(f"s3://ours{tmp_path}{s3}", AWS, tmp_path)
    bucket.put(NAME, LARGE)

    async def ask() -> None:
        async with serving(item(bucket, timedelta(minutes=5))) as client:
            async with client.get("/", allow_redirects=False) as response:
                assert response.status == 307
            async with ClientSession() as session, session.get(response.headers["Location"]) as direct:
                assert await direct.read() == LARGE
            async with client.head("/", allow_redirects=False) as response:
                assert (response.status, response.headers["Content-Length"]) == (200, str(len(LARGE)))

    asyncio.run(ask())


def test_what_breaks_off_ends_the_connection() -> None:
    """A client must never take a part for the whole, whether or not it knows the length."""

    def blocks(before: int) -> Iterator[Buffer]:
        for _ in range(before):
            yield bytes(1 << 16)
        raise StorageError("the disk is gone")

    async def ask() -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await send_blocks(
                    request, web.StreamResponse(), in_threads(blocks(int(request.query["before"])))
                )
            except StorageError:
                return web.Response(status=503)

        async with serving(answer) as client:
            async with client.get("/?before=0") as response:
                assert response.status == 503
            async with client.get("/?before=20") as response:
                with pytest.raises(ClientPayloadError):
                    await response.read()

    asyncio.run(ask())


def test_a_slow_client_is_waited_for() -> None:
    """The server does not read ahead of the client."""
    given = 0

    def blocks() -> Iterator[Buffer]:
        nonlocal given
        for _ in range(400):
            given += 1
            yield bytes(1 << 20)

    async def ask() -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await send_blocks(request, web.StreamResponse(), in_threads(blocks()))

        async with serving(answer) as client, client.get("/") as response:
            await response.content.read(1)
            before = -1
            while before != given:
                before = given
                await asyncio.sleep(0.2)
            assert given < 100

    asyncio.run(ask())
