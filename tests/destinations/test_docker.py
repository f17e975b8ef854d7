"""Docker's engine, played by a fake: what it has is not sent, and what goes wrong is blamed on its cause."""

import contextlib
import errno
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.made import image_with, layer_of, sample, tar_of
from tests.registry.reach import HUGE
from tests.threaded import threaded

from lamella.destinations.destination import DestinationError
from lamella.destinations.docker import Docker
from lamella.destinations.docker_api import Engine
from lamella.destinations.docker_host import DockerHost
from lamella.oci.image import Sink


@dataclass
class Fake:
    """An engine; `images` are the chains of layers it lists, `gone` those that it has no more when asked for them."""

    images: dict[str, list[str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    early: tuple[int, bytes] | None = None
    """What it answers to an archive after its first bytes, before it ends the connection."""

    asked: list[str] = field(default_factory=list)
    loaded: list[bytes] = field(default_factory=list)
    connections: int = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def setup(self) -> None:
        super().setup()
        self.fake.connections += 1

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.fake.asked.append(path)
        name = path.removeprefix("/images/").removesuffix("/json")
        if path == "/images/json":
            self._say(200, [{"Id": name} for name in self.fake.images])
        elif path.endswith("/get"):
            self._say(200, {"an": "archive"})
        elif name in self.fake.images and name not in self.fake.gone:
            self._say(200, {"RootFS": {"Layers": self.fake.images[name]}})
        else:
            self._say(404, {"message": f"No such image: {name}"})

    def do_POST(self) -> None:
        self.fake.asked.append(self.path)
        if self.fake.early:
            self.rfile.read(1000)
            status, body = self.fake.early
            self.close_connection = True
            self._answer(status, body)
            return
        data = bytearray()
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.fake.loaded.append(bytes(data))
        self._say(200, {"stream": "Loaded image"})

    def _say(self, status: int, document: object) -> None:
        self._answer(status, json.dumps(document).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that ends a connection knows why."""


@contextlib.contextmanager
def engine(fake: Fake) -> Iterator[Docker]:
    handler = type("FakeHandler", (Handler,), {"fake": fake})
    with threaded(Server(("127.0.0.1", 0), handler)) as port:
        yield Docker(Engine(DockerHost(f"tcp://127.0.0.1:{port}")))


def test_an_image_that_is_removed_meanwhile_does_not_matter() -> None:
    image = image_with(*sample().layers[:2])
    first = image.layers[0].record.diff_id
    fake = Fake({"sha256:a": [first], "sha256:b": [first]}, {"sha256:a"})
    with engine(fake) as docker:
        sent = docker.load(image, "app:1")
    assert [one.written for one in sent] == [False, True]
    assert len(fake.loaded) == 1


def test_a_load_needs_one_connection() -> None:
    fake = Fake({f"sha256:{number}": [] for number in range(20)})
    with engine(fake) as docker:
        docker.load(sample(), "app:1")
    assert len(fake.asked) == 22
    assert fake.connections == 1


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b'{"message":"no space left on device"}', r"refuses: no space left on device \(500\)"),
        (200, b'{"stream":"a"}\n{"error":"no space left on device"}\n', "reports an error: no space left on device"),
        (200, b"", "hangs up: (Broken pipe|Connection reset)"),
    ],
)
def test_an_engine_that_refuses_early_says_why(status: int, body: bytes, said: str) -> None:
    with engine(Fake(early=(status, body))) as docker, pytest.raises(DestinationError, match=said):
        docker.load(image_with(layer_of(tar_of({"huge": HUGE}))), "app:1")


@dataclass(frozen=True)
class Unreadable:
    """A body that cannot be read to its end."""

    def blob(self, sink: Sink) -> None:
        sink(b"some")
        raise OSError(errno.EIO, "Input/output error")

    tar = blob


def test_what_cannot_be_read_here_is_no_fault_of_docker() -> None:
    image = sample()
    broken = replace(image, layers=(replace(image.layers[0], content=Unreadable()), *image.layers[1:]))
    with engine(Fake()) as docker, pytest.raises(OSError, match="Input/output error"):
        docker.load(broken, "app:1")


def test_what_cannot_be_written_here_is_no_fault_of_docker() -> None:
    with engine(Fake()) as docker:
        whole = io.BytesIO()
        docker.save("app:1", whole)
        assert json.loads(whole.getvalue()) == {"an": "archive"}
        with (
            Path("/dev/full").open("wb", buffering=0) as out,
            pytest.raises(DestinationError, match=r"^cannot write the archive: No space left on device"),
        ):
            docker.save("app:1", out)
