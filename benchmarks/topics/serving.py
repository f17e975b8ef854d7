"""How fast images are served and taken, beside Debian's docker-registry, and beside nginx that has the same as files.

All keep what they have in a folder in memory, so that no disk is measured, over plain HTTP on loopback, without logins.
Who asks runs on the same machine and takes its share of it: the figures are those of server and client together. nginx
is no registry: it is what the machine can serve at all.
"""

import contextlib
import hashlib
import json
import random
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import LAMELLA, Shop, free_host, listens, missing, peak_of, started

TITLE = "Serve and take images"
OPEN = 'writable = true\n[access]\nanonymous = ["pull", "push"]\n'
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONNECTIONS = 8
NGINX = """
daemon off; user root; worker_processes auto; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000; client_body_temp_path {folder}/body;
  default_type {type};
  server {{ listen {host}; root {folder}/root; }}
}}
"""
NO_UPLOADS = "nginx takes no uploads"


@dataclass(frozen=True)
class Server:
    name: str
    host: str
    pid: int
    files: Path | None = None
    """Where the files of a server are that is no registry."""


@contextmanager
def running(name: str, folder: Path) -> Iterator[Server]:
    """A server that holds nothing yet."""
    host, config = free_host(), folder / "config"
    if name == OURS:
        config.write_text(OPEN)
        command: list[object] = [*LAMELLA, "serve", "--config", config, "--listen", host, "--bucket", folder / "bucket"]
    elif name == "nginx":
        config.write_text(NGINX.format(folder=folder, host=host, type=MANIFEST))
        command = ["nginx", "-c", config]
    else:
        storage = {"filesystem": {"rootdirectory": str(folder / "data")}, "cache": {"blobdescriptor": "inmemory"}}
        told = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}}, "storage": storage}
        config.write_text(json.dumps(told | {"http": {"addr": host}}))
        command = ["docker-registry", "serve", config]
    with started(command, lambda: listens(host), {"LAMELLA_CACHE": str(folder / "cache")}) as server:
        yield Server(name, host, server.pid, folder / "root" if name == "nginx" else None)


@dataclass(frozen=True)
class Answer:
    headers: dict[str, str]
    body: bytes


def ask(host: str, method: str, address: str, body: bytes = b"", **headers: str) -> Answer:
    """What a server says, which must be that all is well."""
    connection = HTTPConnection(host)
    connection.request(method, address, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status >= 300:
        raise SystemExit(f"{method} {address}: {answer.status}")
    return Answer(dict(answer.headers), said)


def upload(host: str, data: bytes, digest: str) -> None:
    """Pushes a blob."""
    begun = ask(host, "POST", "/v2/bench/blobs/uploads/")
    where = begun.headers["Location"].removeprefix(f"http://{host}")
    ask(host, "PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", data)


def download(host: str, address: str, size: int) -> None:
    """Asks for a blob; the kernel throws away what comes, so the server is what is measured."""
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port))) as client:
        client.sendall(f"GET {address} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        buffer, total = bytearray(16 << 20), 0
        while count := client.recv_into(buffer, len(buffer), socket.MSG_TRUNC | socket.MSG_WAITALL):
            total += count
    if not size < total < size + 2000:
        raise SystemExit(f"{total} bytes came of {size}")


def seconds_of(acts: Sequence[Callable[[], None]]) -> float:
    """For all of `acts`, side by side."""
    threads = [threading.Thread(target=act) for act in acts]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def _is_whole(answer: bytes, method: str) -> bool:
    """Whether all of an answer has arrived."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(answer.decode())
    return method == "HEAD" or len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


class Load:
    """What is asked of a server that has one large blob and one manifest; each method gives a figure."""

    def __init__(self, server: Server, size: int, seconds: float) -> None:
        self.server, self.host, self.size, self.seconds = server, server.host, size, seconds
        self._random = random.Random(server.name)
        data = self._data(size)
        self.blob = f"blobs/{self._put_blob(data)}"
        layer = {"mediaType": "application/octet-stream", "digest": self.blob.removeprefix("blobs/"), "size": size}
        told = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layer, "layers": [layer]}
        manifest = json.dumps(told | {"annotations": {"text": "x" * 1400}}).encode()
        if server.files:
            self._put_file("manifests/v1", manifest)
        else:
            ask(self.host, "PUT", "/v2/bench/manifests/v1", manifest, Content_Type=MANIFEST)

    def _put_blob(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if self.server.files:
            self._put_file(f"blobs/{digest}", data)
        else:
            upload(self.host, data, digest)
        return digest

    def _put_file(self, name: str, data: bytes) -> None:
        assert self.server.files
        place = self.server.files / "v2" / "bench" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def _data(self, size: int) -> bytes:
        return self._random.randbytes(1 << 20) * (size >> 20)

    def downloads(self, count: int) -> float:
        address = f"/v2/bench/{self.blob}"
        return count * self.size / 1e6 / seconds_of([lambda: download(self.host, address, self.size)] * count)

    def uploads(self, count: int, size: int) -> float:
        blobs = [self._data(size) for _ in range(count)]
        told = [(blob, f"sha256:{hashlib.sha256(blob).hexdigest()}") for blob in blobs]
        acts = [lambda blob=blob, digest=digest: upload(self.host, blob, digest) for blob, digest in told]
        return count * size / 1e6 / seconds_of(acts)

    def requests(self, method: str, address: str) -> float:
        """How many are answered in a second; each connection asks again when it has its answer."""
        request = f"{method} /v2/bench/{address} HTTP/1.1\r\nHost: {self.host}\r\nAccept: {MANIFEST}\r\n\r\n".encode()
        name, _, port = self.host.partition(":")
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for _ in range(CONNECTIONS):
                client = stack.enter_context(socket.create_connection((name, int(port))))
                client.sendall(request)
                selector.register(client, selectors.EVENT_READ, [])
            count, begun = 0, time.perf_counter()
            while (lasted := time.perf_counter() - begun) < self.seconds:
                for key, _ in selector.select():
                    key.data.append(key.fileobj.recv(1 << 16))  # type: ignore[union-attr]
                    if _is_whole(b"".join(key.data), method):
                        key.data.clear()
                        key.fileobj.send(request)  # type: ignore[union-attr]
                        count += 1
        return count / lasted


def tasks_of(size: int) -> dict[str, tuple[str, Callable[[Load], float]]]:
    """Each task with its unit."""
    part = max(size // 4, 1 << 20)
    return {
        "download a blob": ("MB/s", lambda load: load.downloads(1)),
        "download a blob, 8 at once": ("MB/s", lambda load: load.downloads(CONNECTIONS)),
        "upload a blob": ("MB/s", lambda load: load.uploads(1, part)),
        "upload blobs, 8 at once": ("MB/s", lambda load: load.uploads(CONNECTIONS, max(part // CONNECTIONS, 1 << 20))),
        "get a manifest of 2 kB, 8 connections": ("/s", lambda load: load.requests("GET", "manifests/v1")),
        "ask whether a blob is there, 8 connections": ("/s", lambda load: load.requests("HEAD", load.blob)),
        "memory after all of this": ("MB", lambda load: peak_of(load.server.pid)),
    }


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    names = {OURS: "", "docker-registry": missing("docker-registry"), "nginx": missing("nginx")}
    blob, seconds = size.pick(256 << 20, 1 << 20), size.pick(2.0, 0.1)
    with contextlib.ExitStack() as stack:
        loads = {}
        for name, absent in names.items():
            if not absent:
                server = stack.enter_context(running(name, shop.place_in_memory(name)))
                loads[name] = Load(server, blob, seconds)
        tasks = []
        for task, (unit, act) in tasks_of(blob).items():
            ways = [
                Way(name, _of(act, loads.get(name)), absent=absent or _not_for(name, task))
                for name, absent in names.items()
            ]
            tasks.append(race(task, ways, size.rounds(5), unit=unit))
    return f"a blob of {blob >> 20} MiB", tasks


def _of(act: Callable[[Load], float], load: Load | None) -> Callable[[], float]:
    def run() -> float:
        assert load
        return act(load)

    return run


def _not_for(name: str, task: str) -> str:
    if name != "nginx":
        return ""
    return NO_UPLOADS if task.startswith("upload") else "several processes" if task.startswith("memory") else ""
