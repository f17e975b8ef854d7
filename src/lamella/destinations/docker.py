"""Docker's engine, over its own API: an image is loaded as an archive without the layers that the engine already has.

Docker identifies a layer by the chain of diff_ids up to it. If it has that chain, the layer's tar can be left out of
the archive; its name in `manifest.json` is enough. So a small change to a large image is a small load. An engine that
keeps images in containerd's store knows blobs instead, and pulls the missing ones from a registry that exists only for
that pull.
"""

from dataclasses import dataclass
from typing import IO, cast
from urllib.parse import quote, urlencode

from lamella.destinations.archive import write_docker_archive
from lamella.destinations.destination import DestinationError
from lamella.destinations.docker_api import Engine, Requests
from lamella.destinations.loopback import offering
from lamella.destinations.publish import EXISTS, SENT, Sent
from lamella.oci.digest import Digest
from lamella.oci.image import Buffer, Image, Progress, Sink, silent
from lamella.oci.platforms import spelled
from lamella.oci.reference import DOCKER_ARCHIVE

Chain = tuple[Digest, ...]
_CONTAINERDS_STORE = ["driver-type", "io.containerd.snapshotter.v1"]
_LOAD = "/images/load?quiet=1"


@dataclass(frozen=True)
class Docker:
    archive = DOCKER_ARCHIVE
    engine: Engine

    def load(self, image: Image, name: str, progress: Progress = silent) -> tuple[Sent, ...]:
        """Load `image` as `name`, as in `app:1.0`; return which layers the engine had.

        An engine that rejects an incomplete archive gets a complete one.
        """
        with self.engine.reached() as requests:
            if self.engine.is_here and _CONTAINERDS_STORE in ((requests.get("/info") or {}).get("DriverStatus") or ()):
                return _pull(requests, image, name, progress)
            return _load(requests, image, name, progress)

    def save(self, name: str, out: IO[bytes]) -> None:
        """Write the image `name` as a docker-archive."""
        with self.engine.reached() as requests:
            requests.fetch(f"/images/{quote(name)}/get", out)


def _load(requests: Requests, image: Image, name: str, progress: Progress) -> tuple[Sent, ...]:
    known = _chains(requests)
    diff_ids = tuple(layer.record.diff_id for layer in image.layers)
    there = [diff_ids[: number + 1] in known for number in range(len(diff_ids))]
    missing = {diff_id for diff_id, has in zip(diff_ids, there, strict=True) if not has}

    def give(send: Sink) -> None:
        write_docker_archive(image, name, cast("IO[bytes]", _Pushed(send)), progress, set(diff_ids) - missing)

    try:
        requests.do("POST", _LOAD, give)
    except DestinationError:
        if missing == set(diff_ids):
            raise
        missing = set(diff_ids)
        requests.do("POST", _LOAD, give)
    words = (SENT if layer.record.diff_id in missing else EXISTS for layer in image.layers)
    return tuple(Sent(layer, word) for layer, word in zip(image.layers, words, strict=True))


def _pull(requests: Requests, image: Image, name: str, progress: Progress) -> tuple[Sent, ...]:
    platform = spelled(image.config.platform)
    repository, _, tag = name.rpartition(":")
    with offering(image, progress) as offer:
        wanted = {"fromImage": offer.repository, "tag": offer.tag, "platform": platform}
        requests.do("POST", f"/images/create?{urlencode(wanted)}")
        try:
            named = urlencode({"repo": repository, "tag": tag})
            requests.do("POST", f"/images/{quote(offer.reference)}/tag?{named}")
        finally:
            requests.do("DELETE", f"/images/{quote(offer.reference)}?noprune=1")
    return offer.sent()


def _chains(requests: Requests) -> set[Chain]:
    """All chains of layers in the engine's images; an image may be removed while we look."""
    found: set[Chain] = set()
    for listed in requests.get("/images/json") or ():
        told = requests.get(f"/images/{quote(listed['Id'], safe=':')}/json") or {}
        layers = tuple(Digest(layer) for layer in told.get("RootFS", {}).get("Layers") or ())
        found.update(layers[:length] for length in range(1, len(layers) + 1))
    return found


@dataclass(frozen=True)
class _Pushed:
    """A file that is only written to."""

    send: Sink

    def write(self, data: Buffer) -> int:
        self.send(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""
