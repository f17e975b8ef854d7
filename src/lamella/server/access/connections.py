"""Limits for connections: how many there may be, and how long one may take to send the head of a request.

aiohttp's own protocol handles each connection. A `_Counted` around it sees what passes: it starts a timer when a
connection begins and when the first byte of the next request arrives, and the middleware stops it when the head of the
request is complete. Linux ends connections that do not take what they requested.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import cast

from aiohttp import web

from lamella.server.access.client import Proxies, group
from lamella.server.access.refusals import too_many
from lamella.server.access.settings import Limits

_BACKLOG = 1024
_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)
"""The socket option for how many milliseconds sent bytes may wait, if the system has it."""


class Site(web.BaseSite):
    """A port that the server listens on, within limits. `port` is known once it is started."""

    def __init__(
        self,
        runner: web.AppRunner,
        address: tuple[str, int],
        limits: Limits,
        proxies: Proxies,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=tls, backlog=_BACKLOG)
        self._address = address
        self._limits = limits
        self._proxies = proxies
        self._open = _Open()

    @property
    def port(self) -> int:
        """The port, even if the settings ask for any."""
        server = cast("asyncio.Server | None", self._server)
        return int(server.sockets[0].getsockname()[1]) if server else self._address[1]

    @property
    def name(self) -> str:
        """The address."""
        return f"{'https' if self._ssl_context else 'http'}://{self._address[0]}:{self.port}"

    async def start(self) -> None:
        """Start listening."""
        await super().start()
        make = self._runner.server
        assert make is not None
        host, port = self._address
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Counted(make(), self._limits, self._open, self._proxies),
            host,
            port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=self._limits.header_seconds if self._ssl_context else None,
            backlog=self._backlog,
        )

    async def drain(self, seconds: float) -> None:
        """Accept no new connections, and end each open one after its current request; wait at most `seconds`.

        aiohttp's own way of stopping drops the rest of a body in transit.
        """
        await self.stop()
        await asyncio.gather(*(connection.end(seconds) for connection in list(self._open.all)))


class _Open:
    """The open connections, and how many of them each address has."""

    def __init__(self) -> None:
        self.all: set[_Counted] = set()
        self.of: Counter[str] = Counter()

    def add(self, connection: "_Counted", peer: str) -> None:
        self.all.add(connection)
        self.of[peer] += 1

    def remove(self, connection: "_Counted", peer: str) -> None:
        self.all.discard(connection)
        self.of[peer] -= 1
        if not self.of[peer]:
            del self.of[peer]


def answering(request: web.BaseRequest) -> contextlib.AbstractContextManager[None]:
    """Hold this while `request` is answered. Refuses it if its address has too many connections."""
    transport = request.transport
    counted = transport.get_protocol() if transport else None
    if not isinstance(counted, _Counted):  # as in tests of parts
        return contextlib.nullcontext()
    if counted.is_over:
        raise too_many("your address has too many connections open", 1)
    return counted.answering()


class _Counted(asyncio.Protocol):
    """One connection, with aiohttp's protocol inside."""

    def __init__(self, inner: web.RequestHandler, limits: Limits, open_: _Open, proxies: Proxies) -> None:
        self._inner = inner
        self._limits = limits
        self._open = open_
        self._proxies = proxies
        self._clock: asyncio.TimerHandle | None = None
        self._peer = ""
        self._is_asking = True
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._lost = asyncio.Event()
        self.is_over = False
        """Whether its address has too many connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        self._transport = transport
        address = str((transport.get_extra_info("peername") or [""])[0])
        self._peer = group(address)
        self._open.add(self, self._peer)
        self._inner.connection_made(transport)
        if len(self._open.all) > self._limits.connections:
            transport.abort()
            return
        is_many = self._open.of[self._peer] > self._limits.connections_per_client
        self.is_over = is_many and not self._proxies.has(address)
        plain = transport.get_extra_info("socket")
        if _USER_TIMEOUT is not None:
            plain.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, self._limits.stall_seconds * 1000)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        if self._is_asking:
            self._at_rest.clear()
            if self._clock is None:
                self._start_clock()
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, error: BaseException | None) -> None:
        self._stop_clock()
        self._open.remove(self, self._peer)
        self._inner.connection_lost(error)
        self._at_rest.set()
        self._lost.set()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While this lasts, the head of a request is complete and the timer is off."""
        self._is_asking = False
        self._stop_clock()
        try:
            yield
        finally:
            self._is_asking = True
            self._at_rest.set()

    async def end(self, seconds: float) -> None:
        """Close after the current request and its answer; wait at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._at_rest.wait()
                self._inner.close()
                await self._inner.shutdown(seconds)
                await self._lost.wait()

    def _start_clock(self) -> None:
        self._clock = asyncio.get_running_loop().call_later(self._limits.header_seconds, self._transport.abort)

    def _stop_clock(self) -> None:
        if self._clock:
            self._clock.cancel()
            self._clock = None
