"""HTTP connections, kept and used again: TLS, proxies, and bodies that are pushed block by block as they are made.

`http.client` takes pushed bytes as they come; libraries above it pull, and would need a thread in between.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from lamella.oci.image import Buffer
from lamella.registry.credentials import Credential
from lamella.registry.errors import RegistryError

TIMEOUT = 60.0
_CERTIFICATES = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


@dataclass(frozen=True)
class Settings:
    """How registries are reached. `insecure` allows plain http, and certificates that nobody vouches for."""

    insecure: bool = False
    ca_file: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[Path, ...] = _CERTIFICATES
    timeout: float = TIMEOUT


def is_loopback(host: str) -> bool:
    """Whether `host` (with or without a port) is this machine itself."""
    name = urlsplit(f"//{host}").hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost" or name.endswith(".localhost")


class Exchange:
    """One request and its answer."""

    def __init__(self, connection: http.client.HTTPConnection, url: SplitResult, *, whole: bool) -> None:
        self._connection = connection
        self._target = url.geturl() if whole else (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._host = url.netloc.rpartition("@")[2]
        self._chunked = False
        self.response: http.client.HTTPResponse | None = None

    def start(self, method: str, headers: Mapping[str, str], length: int | None = 0) -> None:
        """The head of the request; a body of unknown `length` (None) goes in chunks."""
        put = self._connection.putheader
        self._connection.putrequest(method, self._target, skip_host=True, skip_accept_encoding=True)
        put("Host", self._host)
        put("User-Agent", "lamella")
        for name, value in headers.items():
            put(name, value)
        self._chunked = length is None
        if length is None:
            put("Transfer-Encoding", "chunked")
        elif length or method not in ("GET", "HEAD", "DELETE"):
            put("Content-Length", str(length))
        self._connection.endheaders()

    def send(self, block: Buffer) -> None:
        """The next bytes of the body."""
        if not self._chunked:
            self._connection.send(block)
        elif len(block):
            self._connection.send(b"%x\r\n" % len(block))
            self._connection.send(block)
            self._connection.send(b"\r\n")

    def answer(self, *, complete: bool = True) -> http.client.HTTPResponse:
        """The head of the answer; it may come before the request is `complete`."""
        if self._chunked and complete:
            self._connection.send(b"0\r\n\r\n")
        self.response = self._connection.getresponse()
        return self.response


class Connections:
    """Connections to any number of hosts; a thread that needs one takes one that is idle, or a new one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: defaultdict[tuple[str, str], list[http.client.HTTPConnection]] = defaultdict(list)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def exchange(self, url: str) -> Iterator[Exchange]:
        """An exchange with the host of `url`. The connection is kept if the answer was read to its end."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistryError(f"{url} is not an address that lamella can ask")
        key = (parts.scheme, parts.netloc)
        with self._lock:
            idle = self._idle[key]
            connection = idle.pop() if idle else None
        proxy = self._proxy(parts)
        connection = connection or self._connect(parts, proxy)
        exchange = Exchange(connection, parts, whole=proxy is not None and parts.scheme == "http")
        keep = False
        try:
            yield exchange
            response = exchange.response
            keep = response is not None and response.isclosed() and not response.will_close
        finally:
            if keep:
                with self._lock:
                    self._idle[key].append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Ends all that are idle."""
        with self._lock:
            for connection in (one for idle in self._idle.values() for one in idle):
                connection.close()
            self._idle.clear()

    def _connect(self, url: SplitResult, proxy: SplitResult | None) -> http.client.HTTPConnection:
        host, port = url.hostname or "", url.port
        timeout = self._settings.timeout
        if url.scheme == "http":
            to = proxy or url
            return _Connection(to.hostname or "", to.port, timeout=timeout)
        context = self._context(url.netloc.rpartition("@")[2])
        if proxy is None:
            return _SecureConnection(host, port, timeout=timeout, context=context)
        connection = _SecureConnection(proxy.hostname or "", proxy.port or 80, timeout=timeout, context=context)
        credential = Credential(unquote(proxy.username or ""), unquote(proxy.password or ""))
        headers = {"Proxy-Authorization": credential.basic} if proxy.username else {}
        connection.set_tunnel(host, port or 443, headers)
        return connection

    def _proxy(self, url: SplitResult) -> SplitResult | None:
        """The proxy that the environment names for `url`; none is used to reach this machine itself."""
        told = self._settings.environment
        name = f"{url.scheme}_proxy"
        proxy = told.get(name) or told.get(name.upper()) or ""
        host = url.hostname or ""
        if not proxy or is_loopback(host):
            return None
        for pattern in (told.get("no_proxy") or told.get("NO_PROXY") or "").split(","):
            suffix = pattern.strip().partition(":")[0].lstrip("*").removeprefix(".")
            if pattern.strip() == "*" or (suffix and (host == suffix or host.endswith(f".{suffix}"))):
                return None
        return urlsplit(proxy if "//" in proxy else f"http://{proxy}")

    def _context(self, host: str) -> ssl.SSLContext:
        context = self._contexts.get(host)
        if context is None:
            context = self._contexts.setdefault(host, self._new_context(host))
        return context

    @cached_property
    def _contexts(self) -> dict[str, ssl.SSLContext]:
        return {}

    def _new_context(self, host: str) -> ssl.SSLContext:
        """Who is believed to be `host`, and who we say that we are there."""
        context = ssl.create_default_context()
        try:
            if self._settings.ca_file:
                context.load_verify_locations(self._settings.ca_file)
            for folder in (root / host for root in self._settings.certificates):
                for file in sorted(folder.glob("*.crt")):
                    context.load_verify_locations(file)
                for file in sorted(folder.glob("*.cert")):
                    context.load_cert_chain(file, file.with_suffix(".key"))
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"the certificates for {host} cannot be used: {error}") from error
        if self._settings.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class _Connection(http.client.HTTPConnection):
    blocksize = 1 << 20

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _SecureConnection(http.client.HTTPSConnection):
    blocksize = 1 << 20
