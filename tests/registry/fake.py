"""A registry in a thread, strict about the protocol, that can be told to misbehave."""

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from tests.registry.handler import Handler
from tests.threaded import threaded


@dataclass
class Fake:
    """What the registry contains, which requests it got, and how it misbehaves."""

    port: int = 0
    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    chunks: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    told: list[str | None] = field(default_factory=list)
    trouble: list["Trouble"] = field(default_factory=list)
    user: str = ""
    password: str = ""
    token: str = ""
    tokens: int = 0
    page: int = 1000
    has_referrers: bool = True
    monolithic: bool = True
    largest: int = 0
    largest_request: int = 0
    least_chunk: int = 0
    tells_sizes: bool = True
    token_lasts: int = 0
    """How many requests a token is good for; 0 for all."""
    uses: int = 0

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"


@dataclass
class Trouble:
    """What happens to the next requests whose method and path match.

    With a `status` that is the answer; with `cut` the connection ends after so many bytes of the body, sent or asked
    for; `deaf` does what was asked and ends the connection before the answer; `forget` loses the upload first;
    `endless` answers without an end, a little at a time. The first `skip` requests that match are spared.
    """

    match: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1
    body: bytes = b'{"errors":[{"code":"TROUBLE","message":"no luck today"}]}'
    deaf: bool = False
    forget: bool = False
    reset: bool = False
    endless: bool = False
    skip: int = 0


class Server(ThreadingHTTPServer):
    """Collects what clients did wrong, and ignores connections that ended."""

    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.wrong: list[BaseException | None] = []

    def handle_error(self, *_: Any) -> None:
        if not isinstance(sys.exception(), (OSError, ValueError)):
            self.wrong.append(sys.exception())


@contextmanager
def serving(fake: Fake, context: ssl.SSLContext | None = None) -> Iterator[Fake]:
    """The registry, on a port of its own."""
    handler = type("FakeHandler", (Handler,), {"fake": fake})
    server = Server(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with threaded(server) as fake.port:
        yield fake
    assert not server.wrong, server.wrong
