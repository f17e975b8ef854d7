"""Bringing an image to a destination: blobs in parallel, then the config, then the manifest, and the name last.

A client that sees the name finds everything that it leads to. If this is stopped at any instant, the next run uses
what has arrived.

A registry that has the manifest is not asked for each part: it accepted the manifest because it had them all, and its
garbage collection keeps them. If it has lost one and says so when the manifest is named, what is missing is sent.
"""

import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from lamella.destinations.destination import Destination, DestinationError
from lamella.oci.digest import Digest
from lamella.oci.image import Body, Buffer, Layer, Parcel, Progress, Sink, silent
from lamella.oci.wire import Descriptor
from lamella.registry.errors import RegistryError

_SIDE_BY_SIDE = 4
_INCOMPLETE = (400, 404)
"""How registries refuse to name a manifest that leads to what they have lost."""

EXISTS = "exists"
MOUNTED = "mounted"
SENT = "uploaded"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a layer, in one `word`, and how long it took."""

    layer: Layer
    word: str
    seconds: float = 0.0

    @property
    def written(self) -> bool:
        """Whether its bytes were sent."""
        return self.word == SENT


@dataclass(frozen=True, slots=True)
class Published:
    """The manifest that was named, and the image's layers in order."""

    root: Descriptor
    layers: tuple[Sent, ...]

    @property
    def bytes_written(self) -> int:
        return sum({sent.layer.record.digest: sent.layer.record.size for sent in self.layers if sent.written}.values())

    def with_sent(self, digests: Collection[Digest]) -> "Published":
        """The same, with these layers as sent: they were sent while they were made, and so already existed."""
        layers = (
            replace(s, word=SENT) if s.layer.record.digest in digests and s.word == EXISTS else s for s in self.layers
        )
        return replace(self, layers=tuple(layers))


def publish(parcel: Parcel, destination: Destination, tag: str, progress: Progress = silent) -> Published:
    """Bring `parcel` to `destination` under the name `tag`. Only what is missing there is made and sent."""
    published = bring(parcel, destination, progress)
    try:
        destination.tag(tag, *parcel.documents[-1])
    except RegistryError as error:
        if error.status not in _INCOMPLETE:
            raise
        published = _bring_all(parcel, destination, progress)
        destination.tag(tag, *parcel.documents[-1])
    return published


def bring(parcel: Parcel, destination: Destination, progress: Progress = silent) -> Published:
    """Bring `parcel` to `destination` without a name: it can be found by its digest."""
    if destination.keeps_whole and destination.has(parcel.root):
        return Published(parcel.root, tuple(Sent(layer, EXISTS) for layer in parcel.layers))
    return _bring_all(parcel, destination, progress)


def _bring_all(parcel: Parcel, destination: Destination, progress: Progress) -> Published:
    layers = send_layers(parcel.layers, destination, progress)
    *parts, (root, data) = parcel.documents
    for part, told in parts:
        if not destination.has(part):
            destination.put(part, given(told))
    destination.put(root, given(data))
    return Published(root, layers)


def send_layers(layers: Sequence[Layer], destination: Destination, progress: Progress = silent) -> tuple[Sent, ...]:
    """Send the missing layers, each blob once, a few at a time. When one fails, the others stop."""
    stop = threading.Event()
    unique = {layer.record.digest: layer for layer in reversed(layers)}
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        jobs = {
            layer.record.digest: pool.submit(_send, layer, destination, progress, stop) for layer in unique.values()
        }
        try:
            for job in wait(jobs.values(), return_when=FIRST_EXCEPTION).done:
                job.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return tuple(replace(jobs[layer.record.digest].result(), layer=layer) for layer in layers)


def _send(layer: Layer, destination: Destination, progress: Progress, stop: threading.Event) -> Sent:
    if destination.has(layer.descriptor):
        return Sent(layer, EXISTS)
    started = time.monotonic()
    name = layer.name or layer.record.digest

    def body(sink: Sink) -> None:
        def write(block: Buffer) -> None:
            if stop.is_set():
                raise DestinationError(f"layer {name} was abandoned because another failed")
            sink(block)

        counted(layer, progress)(write)

    try:
        needed = destination.put(layer.descriptor, body)
    except RegistryError as error:
        raise error.about(f"layer {name}") from error
    return Sent(layer, SENT if needed else MOUNTED, time.monotonic() - started)


def counted(layer: Layer, progress: Progress) -> Body:
    """The layer's blob, reported to `progress`."""

    def body(sink: Sink) -> None:
        done = 0

        def write(block: Buffer) -> None:
            nonlocal done
            sink(block)
            done += len(block)
            progress(layer.name or layer.record.digest, done, layer.record.size)

        layer.content.blob(write)

    return body


def given(data: bytes) -> Body:
    """`data` as the body of a blob."""

    def body(sink: Sink) -> None:
        sink(data)

    return body
