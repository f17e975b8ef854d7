"""A registry in a thread, strict about the protocol, that can be told to misbehave."""

import base64
import hashlib
import json
import re
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Fake:
    """What the registry holds, what it was asked, and how it misbehaves."""

    port: int = 0
    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
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

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"


@dataclass
class Trouble:
    """What happens to the next requests whose method and path match: an answer, or a cut after so many body bytes."""

    match: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        fake = self.fake
        line = f"{self.command} {self.path}"
        fake.asked.append(line)
        fake.told.append(self.headers.get("Authorization"))
        self.path, _, query = self.path.partition("?")
        self.query = {key: values[0] for key, values in parse_qs(query).items()}
        trouble = next((one for one in fake.trouble if one.times and re.search(one.match, line)), None)
        if trouble:
            trouble.times -= 1
            self._misbehave(trouble)
            return
        if self.path.startswith("/token"):
            self._give_token()
            return
        if not self._allowed():
            self._body()
            self._refuse()
            return
        for pattern, act in ROUTES:
            match = re.fullmatch(pattern, self.path)
            if match:
                act(self, *match.groups())
                return
        self.answer(404, b"no such place")

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _misbehave(self, trouble: Trouble) -> None:
        if trouble.cut < 0:
            self._body()
            self.answer(trouble.status, b'{"errors":[{"code":"TROUBLE","message":"no luck today"}]}', trouble.headers)
            return
        self.close_connection = True
        if self.command in ("PATCH", "PUT"):
            session = self.fake.uploads.get(self.path.rpartition("/")[2])
            told = self.headers.get("Content-Range")
            if told and session is not None and int(told.partition("-")[0]) != len(session):
                session = None
            left = trouble.cut
            for block in self._blocks():
                if session is not None:
                    session += block[:left]
                left -= len(block)
                if left <= 0:
                    break
        elif match := re.fullmatch(r"/v2/(.+)/blobs/([^/]+)", self.path):
            self._blob(match[1], match[2], trouble.cut)
        self.connection.close()

    def _allowed(self) -> bool:
        fake, told = self.fake, self.headers.get("Authorization") or ""
        if fake.token:
            return told == f"Bearer {fake.token}"
        expected = base64.b64encode(f"{fake.user}:{fake.password}".encode()).decode()
        return not fake.user or told == f"Basic {expected}"

    def _refuse(self) -> None:
        scheme = "http" if not isinstance(self.connection, ssl.SSLSocket) else "https"
        demand = f'Bearer realm="{scheme}://{self.fake.name}/token",service="fake",scope="x"'
        header = demand if self.fake.token else 'Basic realm="fake"'
        self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": header})

    def _give_token(self) -> None:
        fake = self.fake
        body = self._body()
        expected = base64.b64encode(f"{fake.user}:{fake.password}".encode()).decode()
        by_form = self.command == "POST" and b"refresh_token=secret-identity" in body
        if fake.user and not by_form and self.headers.get("Authorization") != f"Basic {expected}":
            self.answer(401, b'{"errors":[{"code":"DENIED","message":"who are you"}]}')
            return
        fake.tokens += 1
        self.answer(200, json.dumps({"token": fake.token, "expires_in": 300}).encode())

    def _blocks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or b"0", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (block := self.rfile.read(min(left, 50_000))):
            left -= len(block)
            yield block

    def _body(self) -> bytes:
        return b"".join(self._blocks())

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        told = dict(headers or {})
        told.setdefault("Content-Length", str(len(body)))
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _ping(self) -> None:
        self.answer(200, b"{}")

    def _blob(self, repository: str, digest: str, cut: int = -1) -> None:
        data = self.fake.blobs.get(repository, {}).get(digest)
        if self.command == "DELETE":
            gone = self.fake.blobs.get(repository, {}).pop(digest, None)
            self.answer(202 if gone is not None else 404)
            return
        if data is None:
            self.answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        status = 206 if "Range" in self.headers else 200
        if cut >= 0:
            self.answer(status, data[start : start + cut], {"Content-Length": str(len(data) - start)})
            return
        length = str(len(data)) if self.command == "HEAD" else str(len(data) - start)
        self.answer(status, data[start:], {"Content-Length": length})

    def _begin(self, repository: str) -> None:
        self._body()
        digest, source = self.query.get("mount"), self.query.get("from", "")
        if digest and digest in self.fake.blobs.get(source, {}):
            self.fake.blobs.setdefault(repository, {})[digest] = self.fake.blobs[source][digest]
            self.answer(201, headers={"Location": f"/v2/{repository}/blobs/{digest}"})
            return
        name = secrets.token_hex(4)
        self.fake.uploads[name] = bytearray()
        self.answer(202, headers={"Location": f"/v2/{repository}/blobs/uploads/{name}?state=1", "Range": "0-0"})

    def _upload(self, repository: str, name: str) -> None:
        session = self.fake.uploads.get(name)
        if session is None:
            self._body()
            self.answer(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
            return
        if self.command == "DELETE":
            del self.fake.uploads[name]
            self.answer(204)
            return
        told = self.headers.get("Content-Range")
        if told and int(told.partition("-")[0]) != len(session):
            self._body()
            self.answer(416)
            return
        size = 0
        for block in self._blocks() if self.command != "GET" else ():
            session += block
            size += len(block)
        where = {"Location": f"/v2/{repository}/blobs/uploads/{name}?state=2"}
        if self.command == "PUT":
            self._end(repository, name, bytes(session), size)
        else:
            status = 204 if self.command == "GET" else 202
            self.answer(status, headers={**where, "Range": f"0-{max(len(session) - 1, 0)}"})

    def _end(self, repository: str, name: str, data: bytes, sent: int) -> None:
        digest = self.query.get("digest", "")
        if self.fake.largest and len(data) > self.fake.largest:
            self.answer(413)
        elif sent and not self.fake.monolithic:
            self.fake.uploads[name].clear()
            self.answer(405, b'{"errors":[{"code":"UNSUPPORTED"}]}')
        elif digest != f"sha256:{hashlib.sha256(data).hexdigest()}":
            self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
        else:
            del self.fake.uploads[name]
            self.fake.blobs.setdefault(repository, {})[digest] = data
            self.answer(201, headers={"Docker-Content-Digest": digest})

    def _manifest(self, repository: str, reference: str) -> None:
        held = self.fake.manifests.setdefault(repository, {})
        if self.command == "PUT":
            data = self._body()
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            told = json.loads(data)
            needed = [told["config"], *told["layers"]] if "config" in told else []
            if any(blob["digest"] not in self.fake.blobs.get(repository, {}) for blob in needed):
                self.answer(404, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}')
                return
            if ":" in reference and reference != digest:
                self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
                return
            held[reference] = held[digest] = (self.headers["Content-Type"], data)
            self.answer(201, headers={"Docker-Content-Digest": digest})
        elif self.command == "DELETE":
            self.answer(202 if held.pop(reference, None) else 404)
        elif reference in held:
            kind, data = held[reference]
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            self.answer(200, data, {"Content-Type": kind, "Docker-Content-Digest": digest})
        else:
            self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')

    def _tags(self, repository: str) -> None:
        tags = sorted(tag for tag in self.fake.manifests.get(repository, {}) if ":" not in tag)
        after = [tag for tag in tags if tag > self.query.get("last", "")]
        shown = after[: self.fake.page]
        link = {"Link": f'</v2/{repository}/tags/list?last={shown[-1]}>; rel="next"'} if len(after) > len(shown) else {}
        self.answer(200, json.dumps({"name": repository, "tags": shown}).encode(), link)

    def _referrers(self, repository: str, digest: str) -> None:
        if not self.fake.has_referrers:
            self.answer(404)
            return
        found = []
        for name, (kind, data) in sorted(self.fake.manifests.get(repository, {}).items()):
            if ":" in name and json.loads(data).get("subject", {}).get("digest") == digest:
                found.append({"mediaType": kind, "digest": name, "size": len(data)})
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": found}
        self.answer(200, json.dumps(index).encode())


ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"/v2/", Handler._ping),
    (r"/v2/(.+)/blobs/uploads/", Handler._begin),
    (r"/v2/(.+)/blobs/uploads/([^/]+)", Handler._upload),
    (r"/v2/(.+)/blobs/([^/]+)", Handler._blob),
    (r"/v2/(.+)/manifests/([^/]+)", Handler._manifest),
    (r"/v2/(.+)/tags/list", Handler._tags),
    (r"/v2/(.+)/referrers/([^/]+)", Handler._referrers),
]


@contextmanager
def serving(fake: Fake, context: ssl.SSLContext | None = None) -> Iterator[Fake]:
    """The registry, on a port of its own."""
    handler = type("FakeHandler", (Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    fake.port = urlsplit(f"//{server.server_address[0]!s}:{server.server_address[1]}").port or 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
