"""Connections end after their current request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from lamella.server.access.client import Proxies
from lamella.server.access.connections import Site, answering
from lamella.server.access.settings import Limits

LARGE = bytes(16 << 20)
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@web.middleware
async def counting(request: web.Request, handler: Handler) -> web.StreamResponse:
    with answering(request):
        return await handler(request)


@contextlib.asynccontextmanager
async def site(begun: asyncio.Event, go: asyncio.Event) -> AsyncIterator[Site]:
    """Run a server with a large answer that waits for a signal."""

    async def answer(request: web.Request) -> web.Response:
        begun.set()
        await go.wait()
        assert isinstance(request.transport, asyncio.WriteTransport)
        request.transport.set_write_buffer_limits(high=2 * len(LARGE))  # so that the rest waits in this process
        return web.Response(body=LARGE)

    app = web.Application(middlewares=[counting])
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    found = Site(runner, ("127.0.0.1", 0), Limits(), Proxies(()))
    await found.start()
    try:
        yield found
    finally:
        await runner.cleanup()


def test_an_answer_that_is_taken_slowly_is_taken_whole() -> None:
    async def run() -> None:
        begun, go = asyncio.Event(), asyncio.Event()
        async with site(begun, go) as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            writer.write(ASK)
            await begun.wait()
            draining = asyncio.create_task(found.drain(20))
            await asyncio.sleep(0)
            go.set()
            taken = await reader.read(1 << 16)
            await asyncio.sleep(0.2)
            assert not draining.done()
            taken += await reader.read()
            assert taken.endswith(LARGE[-1000:])
            assert len(taken) > len(LARGE)
            await draining
            writer.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_nobody_is_waited_for_longer_than_that() -> None:
    async def run() -> float:
        begun = asyncio.Event()
        async with site(begun, asyncio.Event()) as found:
            _, writer = await asyncio.open_connection("127.0.0.1", found.port)
            writer.write(ASK)
            await begun.wait()
            before = asyncio.get_running_loop().time()
            await found.drain(0.2)
            writer.close()
            return asyncio.get_running_loop().time() - before

    assert 0.2 <= asyncio.run(asyncio.wait_for(run(), 20)) < 5


@pytest.mark.parametrize("said", [b"", b"GET / HT"], ids=["nothing", "half a head"])
def test_what_is_no_request_yet_does_not_become_one(said: bytes) -> None:
    async def run() -> bytes:
        begun, go = asyncio.Event(), asyncio.Event()
        async with site(begun, go) as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            writer.write(said)
            await asyncio.sleep(0.05)
            await found.drain(0.2)
        told = await reader.read()
        writer.close()
        assert not begun.is_set()
        return told

    assert asyncio.run(asyncio.wait_for(run(), 20)) == b""
