"""A read-only registry on loopback that offers one image, for daemons on this machine that prefer to pull.

It exists as long as it is needed. Layers are made when they are requested, so a layer that the daemon already has costs
nothing, and the requests show which layers it lacked.
"""

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lamella.destinations.publish import EXISTS, SENT, Sent, counted
from lamella.errors import LamellaError
from lamella.oci.digest import Digest
from lamella.oci.image import Buffer, Image, Layer, Progress, parcel_of, silent
from lamella.oci.wire import Descriptor

_NAME = "lamella/image"
_TAG = "latest"
_RANGE = re.compile(r"bytes=(\d{1,18})-")


@dataclass
class Offer:
    """An image that can be pulled as `reference`; `asked` holds the layers that were requested."""

    image: Image
    progress: Progress
    port: int = 0
    tag: str = _TAG
    asked: set[Digest] = field(default_factory=set)
    failed: LamellaError | None = None

    @property
    def repository(self) -> str:
        return f"127.0.0.1:{self.port}/{_NAME}"

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.tag}"

    def sent(self) -> tuple[Sent, ...]:
        """What became of the layers: those that were not requested already existed."""
        return tuple(Sent(layer, SENT if layer.record.digest in self.asked else EXISTS) for layer in self.image.layers)


@contextlib.contextmanager
def offering(image: Image, progress: Progress = silent) -> Iterator[Offer]:
    """Offer `image`. If a layer could not be made during a pull, that error is raised at the end."""
    offer = Offer(image, progress)
    handler = type("OfferHandler", (_Handler,), {"offer": offer, "documents": _documents(image)})
    with _Server(("127.0.0.1", 0), handler) as server:
        offer.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="offering")
        thread.start()
        try:
            yield offer
        except LamellaError as error:
            raise offer.failed or error from error
        finally:
            server.shutdown()
            thread.join()


def _documents(image: Image) -> Mapping[str, tuple[Descriptor, bytes]]:
    """The manifest and the config, by their paths."""
    config, manifest = parcel_of(image).documents
    return {
        f"/v2/{_NAME}/manifests/{_TAG}": manifest,
        f"/v2/{_NAME}/manifests/{manifest[0].digest}": manifest,
        f"/v2/{_NAME}/blobs/{config[0].digest}": config,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Do nothing: a daemon that ends a connection knows why."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"
    """A client that tries TLS first must get an answer in HTTP, so that it then tries without."""

    offer: Offer
    documents: Mapping[str, tuple[Descriptor, bytes]]

    def log_message(self, *_: Any) -> None:
        """Do nothing: nobody reads it."""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        if path in ("/v2/", "/v2"):
            self._head(200, 2, {"Content-Type": "application/json"})
            if with_body:
                self.wfile.write(b"{}")
        elif path in self.documents:
            descriptor, data = self.documents[path]
            told = {"Content-Type": descriptor.media_type, "Docker-Content-Digest": descriptor.digest}
            self._head(200, len(data), told)
            if with_body:
                self.wfile.write(data)
        else:
            self._layer(path.rpartition("/")[2], with_body=with_body)

    def _layer(self, digest: str, *, with_body: bool) -> None:
        layer = next((one for one in self.offer.image.layers if one.record.digest == digest), None)
        if layer is None:
            self._head(404, 0)
            return
        size = layer.record.size
        match = _RANGE.fullmatch(self.headers.get("Range") or "")
        start = int(match[1]) if match else 0
        told = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest, "Accept-Ranges": "bytes"}
        if start >= size > 0:
            self._head(416, 0, {"Content-Range": f"bytes */{size}"})
            return
        if match:
            told["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._head(206 if match else 200, size - start, told)
        if with_body:
            self._bytes(layer, start)

    def _bytes(self, layer: Layer, start: int) -> None:
        """Send the layer's bytes from `start` on. If they cannot be made, the connection ends early."""
        self.offer.asked.add(layer.record.digest)
        skip = start

        def send(block: Buffer) -> None:
            nonlocal skip
            view = memoryview(block).cast("B")
            self.wfile.write(view[skip:])
            skip -= min(skip, len(view))

        try:
            counted(layer, self.offer.progress)(send)
        except LamellaError as error:
            self.offer.failed = error
            self.close_connection = True

    def _head(self, status: int, length: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
