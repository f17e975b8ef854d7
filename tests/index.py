"""An index of Python packages in a thread: a folder of files, plain pages, and ways to misbehave."""

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.threaded import threaded


@dataclass
class Index:
    """The files, the requests, and how the index misbehaves."""

    folder: Path
    port: int = 0
    asked: list[str] = field(default_factory=list)
    ranges: bool = True
    cut: int = 0
    """After so many bytes of a file the connection ends, once for each file."""
    forged: dict[str, bytes] = field(default_factory=dict)
    login: str = ""
    busy: int = 0
    """How many requests for files are answered with 503."""
    puts: int = -1
    """How many uploads are accepted before the disk is full; no limit if negative."""
    _cut: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        login = f"{self.login}@" if self.login else ""
        return f"http://{login}127.0.0.1:{self.port}/simple"

    def files_asked(self) -> list[str]:
        """Names of files of which bytes were sent."""
        return [path.rpartition("/")[2] for path in self.asked if path.startswith("/files/")]


class _Handler(BaseHTTPRequestHandler):
    index: Index
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        index = self.index
        path = unquote(self.path)
        wanted = base64.b64encode(index.login.encode()).decode()
        if index.login and self.headers.get("Authorization") != f"Basic {wanted}":
            self._say(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        index.asked.append(path)
        if path.startswith("/simple/"):
            self._page(path.strip("/").rpartition("/")[2])
        elif path.startswith("/files/"):
            self._file(path.rpartition("/")[2])
        elif path.startswith("/plain/") and (index.folder / path[7:]).is_file():
            self._file(path[7:])
        else:
            self._say(404, b"")

    def do_PUT(self) -> None:
        """Accept uploads below /plain/."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        index = self.index
        index.asked.append(f"PUT {self.path}")
        wanted = base64.b64encode(index.login.encode()).decode()
        if index.login and self.headers.get("Authorization") != f"Basic {wanted}":
            self._say(401, b"")
            return
        if index.puts == 0:
            self._say(507, b"")
            return
        index.puts -= 1
        target = index.folder / unquote(self.path).removeprefix("/plain/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self._say(201, b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _page(self, project: str) -> None:
        names = [file.name for file in sorted(self.index.folder.iterdir()) if _project(file.name) == project]
        links = "".join(
            f'<a href="/files/{name}#sha256={_sum(self.index.folder / name)}">{name}</a>\n' for name in names
        )
        html = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        self._say(200 if names else 404, html, {"Content-Type": "text/html"})

    def _file(self, name: str) -> None:
        index = self.index
        if index.busy:
            index.busy -= 1
            self._say(503, b"", {"Retry-After": "0"})
            return
        data = index.forged.get(name) or (index.folder / name).read_bytes()
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if index.ranges else None
        if not wanted:
            self._say(200, data)
            return
        start = int(wanted[1]) if wanted[1] else max(0, len(data) - int(wanted[2]))
        if start >= len(data):
            self._say(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        end = int(wanted[2]) + 1 if wanted[1] and wanted[2] else len(data)
        part = data[start:end]
        self._say(206, part, {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"})

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        index = self.index
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if index.ranges:
            self.send_header("Accept-Ranges", "bytes")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if index.cut and len(body) > index.cut and self.path not in index._cut and "/simple/" not in self.path:
            index._cut.add(self.path)
            body = body[: index.cut]
            self.close_connection = True
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Ignore clients that close the connection."""


def _project(file: str) -> str:
    return re.sub(r"[-_.]+", "-", file.partition("-")[0]).lower()


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    """Run the index on a free port."""
    handler = type("IndexHandler", (_Handler,), {"index": index})
    with threaded(_Server(("127.0.0.1", 0), handler)) as index.port:
        yield index
