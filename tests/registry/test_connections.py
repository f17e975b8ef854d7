"""Ways to reach a registry: certificates on both sides, and proxies."""

import base64
import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.real.programs import certificate
from tests.registry.fake import Fake, serving
from tests.registry.reach import LARGE, Reach, blob, read

from lamella.destinations.publish import given
from lamella.registry.upload import upload
from lamella.transport.connections import Settings
from lamella.transport.errors import TransportError
from lamella.transport.proxies import proxy_for


def server_side(folder: Path) -> ssl.SSLContext:
    crt, key = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(crt, key)
    return context


@pytest.mark.real
def test_a_registry_may_want_a_certificate(tmp_path: Path) -> None:
    context = server_side(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # which says no before it hangs up, always
    context.load_verify_locations(tmp_path / "server.crt")
    with serving(Fake(), context) as fake:
        folder = tmp_path / "certs.d" / fake.name
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes((tmp_path / "server.crt").read_bytes())
        settings = Settings(certificates=(tmp_path / "certs.d",))
        with (
            Reach(fake.name, settings=settings).repository() as repository,
            pytest.raises(TransportError, match=f"if it requires a certificate, put it into .*{fake.name}"),
        ):
            repository.manifest("v1")
        for end in ("cert", "key"):
            (folder / f"client.{end}").write_bytes((tmp_path / f"server.{end.replace('cert', 'crt')}").read_bytes())
        with Reach(fake.name, settings=settings).repository() as repository:
            upload(repository, blob(LARGE), given(LARGE))
            assert read(repository, LARGE) == LARGE
        (folder / "client.key").write_text("no key")
        with (
            Reach(fake.name, settings=settings).repository() as repository,
            pytest.raises(TransportError, match=r"cannot use the certificate .*client\.cert with client\.key"),
        ):
            repository.manifest("v1")


class Proxy(BaseHTTPRequestHandler):
    """A proxy that leads every client to one place, whatever it requests."""

    to = 0
    asked: list[tuple[str, str | None]]

    def log_message(self, *_: Any) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.asked.append((self.path, self.headers.get("Proxy-Authorization")))
        with socket.create_connection(("127.0.0.1", self.to), timeout=60) as there:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: there, there: self.connection}
            while all(self._passed(one, ends[one]) for one in select.select(list(ends), [], [], 60)[0]):
                pass
        self.close_connection = True

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Proxy-Authorization")))
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _passed(self, one: socket.socket, other: socket.socket) -> bool:
        data = one.recv(1 << 16)
        if data:
            other.sendall(data)
        return bool(data)


@contextlib.contextmanager
def proxy(to: int) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    asked: list[tuple[str, str | None]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneProxy", (Proxy,), {"to": to, "asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://me:p%40ss@127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PASS = f"Basic {base64.b64encode(b'me:p@ss').decode()}"


@pytest.mark.real
def test_a_tunnel_leads_through_a_proxy(tmp_path: Path) -> None:
    with serving(Fake(), server_side(tmp_path)) as fake, proxy(fake.port) as (address, asked):
        settings = Settings(insecure=True, environment={"HTTPS_PROXY": address})
        with Reach("registry.test", settings=settings).repository() as repository:
            upload(repository, blob(LARGE), given(LARGE))
            assert read(repository, LARGE) == LARGE
    assert set(asked) == {("registry.test:443", PASS)}


def test_plain_http_is_asked_of_the_proxy() -> None:
    with serving(Fake()) as fake, proxy(fake.port) as (address, asked):
        plain = Settings(insecure=True, environment={"http_proxy": address, "https_proxy": address})
        with Reach("registry.test:5000", settings=plain).repository("a") as repository:
            assert repository.manifest("v1") is None
    assert asked[-1] == ("http://registry.test:5000/v2/a/manifests/v1", PASS)


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://r.io/", {}, None),
        ("https://r.io/", {"HTTPS_PROXY": "http://p:1"}, "p"),
        ("https://r.io/", {"https_proxy": "p:1"}, "p"),
        ("http://r.io/", {"https_proxy": "p:1"}, None),
        ("https://127.0.0.1/", {"https_proxy": "p:1"}, None),
        ("https://[::1]:5000/", {"https_proxy": "p:1"}, None),
        ("https://localhost:5000/", {"https_proxy": "p:1"}, None),
        ("https://r.io/", {"https_proxy": "p:1", "no_proxy": "a.io, r.io"}, None),
        ("https://x.r.io/", {"https_proxy": "p:1", "no_proxy": ".r.io"}, None),
        ("https://xr.io/", {"https_proxy": "p:1", "no_proxy": "r.io"}, "p"),
        ("https://r.io:5000/", {"https_proxy": "p:1", "no_proxy": "r.io:5000"}, None),
        ("https://r.io:5001/", {"https_proxy": "p:1", "no_proxy": "r.io:5000"}, "p"),
        ("https://10.1.2.3/", {"https_proxy": "p:1", "no_proxy": "10.0.0.0/8"}, None),
        ("https://r.io/", {"https_proxy": "p:1", "no_proxy": "*"}, None),
    ],
)
def test_which_proxy(url: str, environment: dict[str, str], expected: str | None) -> None:
    found = proxy_for(urlsplit(url), environment)
    assert (found.hostname if found else None) == expected


@pytest.mark.parametrize("told", ["https://p:1", "socks5://p:1", "http://:1", "http://p:x"])
def test_a_proxy_that_cannot_be_used(told: str) -> None:
    with pytest.raises(TransportError, match="HTTPS_PROXY cannot be used") as raised:
        proxy_for(urlsplit("https://r.io/"), {"https_proxy": told})
    assert told not in str(raised.value)
