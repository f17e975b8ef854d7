"""A server application that runs in its own thread, on loopback."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

from aiohttp import web

from lamella.cache.bucket import SharedBucket
from lamella.server import http
from lamella.server.answers import explaining
from lamella.server.gate import GATE
from lamella.server.registry import routes
from lamella.server.registry.registry import Largest, Origin, Registry


def open_registry(
    bucket: SharedBucket, *origins: Origin, writable: bool = True, largest: Largest | None = None
) -> web.Application:
    """Return a registry on `bucket` where every client may do anything."""
    app = web.Application(middlewares=[explaining])
    app[GATE] = lambda _request, _action, _name: None
    app.add_routes(routes(Registry(bucket, origins, writable=writable, largest=largest or Largest())))
    return app


@contextlib.contextmanager
def running(make: Callable[[], web.Application]) -> Iterator[str]:
    """Run the application that `make` returns; give its host and port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()

    async def start() -> tuple[web.AppRunner, str]:
        runner = await http.runner(make(), shutdown_timeout=1)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return runner, f"{host}:{port}"

    runner, name = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield name
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
