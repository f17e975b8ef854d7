"""A registry in memory, on a port of loopback that is free: as much of one as a demonstration takes.

It writes its name into the file it is given, and ends with the process that started it.
"""

import hashlib
import itertools
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

blobs: dict[str, bytes] = {}
manifests: dict[str, tuple[str, bytes]] = {}
uploads: dict[str, bytes] = {}
numbers = itertools.count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        blob = re.fullmatch(r"/v2/.+/blobs/(sha256:[0-9a-f]{64})", path)
        if path == "/v2/":
            self.say(200, b"{}")
        elif blob and blob[1] in blobs:
            self.say(200, blobs[blob[1]], Docker_Content_Digest=blob[1])
        elif path in manifests:
            kind, data = manifests[path]
            self.say(200, data, Content_Type=kind, Docker_Content_Digest=digest(data))
        else:
            self.say(404, b'{"errors": []}')

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.body()
        place = f"{self.path.partition('?')[0].rstrip('/')}/{next(numbers)}"
        uploads[place] = b""
        self.say(202, Location=place)

    def do_PATCH(self) -> None:
        path = self.path.partition("?")[0]
        uploads[path] += self.body()
        self.say(202, Location=path, Range=f"0-{len(uploads[path]) - 1}")

    def do_PUT(self) -> None:
        path, _, query = self.path.partition("?")
        data = self.body()
        if "/manifests/" in path:
            kind = self.headers.get("Content-Type") or ""
            folder = path.rpartition("/")[0]
            manifests[path] = manifests[f"{folder}/{digest(data)}"] = (kind, data)
            self.say(201, Docker_Content_Digest=digest(data), Location=path)
            return
        whole = uploads.pop(path) + data
        right = digest(whole) == query.partition("digest=")[2].replace("%3A", ":").partition("&")[0]
        if right:
            blobs[digest(whole)] = whole
        self.say(201 if right else 400, Location=path)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Path(sys.argv[1]).write_text(f"127.0.0.1:{server.server_port}")
    server.serve_forever()
