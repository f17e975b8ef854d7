"""A client that sends exactly what it is told to, and things to push."""

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lamella.cache.repositories import Manifest
from lamella.oci import media
from lamella.oci.digest import Digest, sha256

BYTES = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    """The server's answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the error; its shape is what clients expect."""
        assert self.headers["Content-Type"] == "application/json"
        (error,) = self.json["errors"]
        assert error["message"]
        assert isinstance(error.get("detail", ""), str)
        return str(error["code"])

    @property
    def location(self) -> str:
        """The address to continue at, without the host."""
        parts = urlsplit(self.headers["Location"])
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Asking:
    """A client of one repository, which adds `/v2/` and the repository's name to addresses."""

    def __init__(self, host: str, name: str = "team/app") -> None:
        self.host = host
        self.name = name
        self._connection = http.client.HTTPConnection(host, timeout=30)

    def __call__(
        self, method: str, address: str, body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> Answer:
        """Send a request; `address` is below the repository unless it begins with `/`. Iterators are sent chunked."""
        url = address if address.startswith("/") else f"/v2/{self.name}/{address}"
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, url, body=body, headers=told)
        answer = self._connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def close(self) -> None:
        self._connection.close()

    def begin(self) -> str:
        """Begin an upload; return its address."""
        begun = self("POST", "blobs/uploads/")
        assert begun.status == 202
        return begun.location

    def blob(self, data: bytes) -> Digest:
        """Push a blob."""
        digest = sha256(data)
        assert self("PUT", f"{self.begin()}?digest={digest}", data, Content_Type=BYTES).status == 201
        return digest

    def image(self, text: str = "one", tag: str = "", **more: object) -> Manifest:
        """Push an image with a new layer."""
        manifest = image_of(self.blob(b"{}"), self.blob(text.encode()), **more)
        assert self.push(manifest, tag).status == 201
        return manifest

    def push(self, manifest: Manifest, tag: str = "") -> Answer:
        """Push a manifest by its digest, or by a tag."""
        return self("PUT", f"manifests/{tag or manifest.digest}", manifest.data, Content_Type=manifest.media_type)


def descriptor(digest: Digest, media_type: str = media.LAYER, size: int = 2) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def image_of(config: Digest, /, *layers: Digest, **more: object) -> Manifest:
    """Return the manifest of an image, with `more` fields."""
    told = {
        "schemaVersion": 2,
        "mediaType": media.MANIFEST,
        "config": descriptor(config, media.CONFIG),
        "layers": [descriptor(layer) for layer in layers],
    }
    return written(told | more, media.MANIFEST)


def index_of(*children: Digest, **more: object) -> Manifest:
    """Return an index of images."""
    told = {"schemaVersion": 2, "mediaType": media.INDEX}
    return written(told | {"manifests": [descriptor(one, media.MANIFEST) for one in children]} | more, media.INDEX)


def written(told: object, media_type: str) -> Manifest:
    """Encode a manifest as another program may do it: its spaces and line breaks must not get lost."""
    data = json.dumps(told, indent=3).encode() + b"\n"
    return Manifest(sha256(data), media_type, data)
