"""How the registry of the tests answers requests."""

import base64
import hashlib
import json
import re
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from tests.registry.fake import Fake, Trouble


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: "Fake"
    deaf = False

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        fake, self.deaf = self.fake, False
        line = f"{self.command} {self.path}"
        fake.asked.append(line)
        fake.told.append(self.headers.get("Authorization"))
        self.path, _, query = self.path.partition("?")
        self.query = {key: values[0] for key, values in parse_qs(query).items()}
        trouble = next((one for one in fake.trouble if one.times and re.search(one.match, line)), None)
        if trouble and trouble.skip:
            trouble.skip -= 1
            trouble = None
        if trouble:
            trouble.times -= 1
            if trouble.forget:
                fake.uploads.clear()
            elif not trouble.deaf:
                self._misbehave(trouble)
                return
            self.deaf = trouble.deaf
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

    def _talk(self) -> None:
        """Send an answer that never ends."""
        self._body()
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while True:  # until the other side has gone
            self.wfile.write(b" " * 20_000)
            time.sleep(0.01)

    def _misbehave(self, trouble: "Trouble") -> None:
        if trouble.endless:
            self._talk()
        if trouble.cut < 0:
            self._body()
            self.answer(trouble.status, trouble.body, trouble.headers)
            return
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
        self._end_connection(reset=trouble.reset)

    def _end_connection(self, *, reset: bool = False) -> None:
        self.close_connection = True
        if reset:  # with bytes that were sent still on their way
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _allowed(self) -> bool:
        fake, told = self.fake, self.headers.get("Authorization") or ""
        if fake.token:
            good = told == f"Bearer {fake.token}"
            if good and fake.token_lasts:
                fake.uses += 1
                if fake.uses > fake.token_lasts:
                    fake.uses, fake.token = 0, secrets.token_hex(8)
                    return False
            return good
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
        if self.deaf:
            self._end_connection()
            return
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
        if self.command == "HEAD":
            self._tell_size(len(data))
            return
        self.answer(status, data[start:])

    def _tell_size(self, size: int) -> None:
        if self.fake.tells_sizes:
            self.answer(200, headers={"Content-Length": str(size)})
            return
        self.send_response(200)
        self.end_headers()

    def _begin(self, repository: str) -> None:
        self._body()
        digest, source = self.query.get("mount"), self.query.get("from", "")
        if digest and digest in self.fake.blobs.get(source, {}):
            self.fake.blobs.setdefault(repository, {})[digest] = self.fake.blobs[source][digest]
            self.answer(201, headers={"Location": f"/v2/{repository}/blobs/{digest}"})
            return
        name = secrets.token_hex(4)
        least = {"OCI-Chunk-Min-Length": str(self.fake.least_chunk)} if self.fake.least_chunk else {}
        self.fake.uploads[name] = bytearray()
        self.answer(
            202, headers={"Location": f"/v2/{repository}/blobs/uploads/{name}?state=1", "Range": "0-0", **least}
        )

    def _upload(self, repository: str, name: str) -> None:
        session = self.fake.uploads.get(name)
        if session is None:
            self._body()
            self.answer(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
            return
        if self.command == "DELETE":
            self.fake.uploads.pop(name, None)
            self.answer(204)
            return
        length = int(self.headers.get("Content-Length") or 0)
        if self.fake.largest_request and length > self.fake.largest_request:
            self._body()
            self.answer(413, b"<html>too large</html>")
            return
        told = self.headers.get("Content-Range")
        if told and int(told.partition("-")[0]) != len(session):
            self._body()
            self.answer(416)
            return
        if told:
            first, _, last = told.partition("-")
            assert int(last) - int(first) + 1 == length
            self.fake.chunks.append(length)
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
            self.fake.uploads[name] = bytearray()
            self.answer(405, b'{"errors":[{"code":"UNSUPPORTED"}]}')
        elif digest != f"sha256:{hashlib.sha256(data).hexdigest()}":
            self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
        else:
            self.fake.uploads.pop(name, None)
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
            subject = told.get("subject", {}).get("digest") if self.fake.has_referrers else None
            about = {"OCI-Subject": subject} if subject else {}
            self.answer(201, headers={"Docker-Content-Digest": digest, **about})
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
