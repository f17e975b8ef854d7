"""Docker's engine, over its own API: an image is loaded as an archive without the layers that the engine already has.

Docker identifies a layer by the chain of diff_ids up to it. If it has that chain, the layer's tar can be left out of
the archive; its name in `manifest.json` is enough. So a small change to a large image is a small load. An engine that
keeps images in containerd's store knows blobs instead, and pulls the missing ones from a registry that exists only for
that pull.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import IO, cast
from urllib.parse import quote, urlencode

from lamella.destinations.archive import write_docker_archive
from lamella.destinations.destination import DestinationError
from lamella.destinations.docker_api import Engine, Send
from lamella.destinations.loopback import offering
from lamella.destinations.publish import EXISTS, SENT, Sent
from lamella.oci.digest import Digest
from lamella.oci.image import Buffer, Image, Progress, silent
from lamella.oci.platforms import spelled
from lamella.oci.reference import DOCKER_ARCHIVE

Chain = tuple[Digest, ...]
_CONTAINERDS_STORE = ["driver-type", "io.containerd.snapshotter.v1"]


@dataclass(frozen=True)
class Docker:
    archive = DOCKER_ARCHIVE
    engine: Engine

    def load(self, image: Image, name: str, progress: Progress = silent) -> tuple[Sent, ...]:
        """Load `image` as `name`, as in `app:1.0`; return which layers the engine had.

        An engine that rejects an incomplete archive gets a complete one.
        """
        if self.engine.is_here and _CONTAINERDS_STORE in (self.engine.get("/info").get("DriverStatus") or ()):
            return self._pull(image, name, progress)
        known = self._chains()
        diff_ids = tuple(layer.record.diff_id for layer in image.layers)
        there = [diff_ids[: number + 1] in known for number in range(len(diff_ids))]
        missing = {diff_id for diff_id, has in zip(diff_ids, there, strict=True) if not has}
        try:
            self._load(image, name, set(diff_ids) - missing, progress)
        except DestinationError:
            if missing == set(diff_ids):
                raise
            missing = set(diff_ids)
            self._load(image, name, (), progress)
        words = (SENT if layer.record.diff_id in missing else EXISTS for layer in image.layers)
        return tuple(Sent(layer, word) for layer, word in zip(image.layers, words, strict=True))

    def save(self, name: str, out: IO[bytes]) -> None:
        """Write the image `name` as a docker-archive."""
        self.engine.fetch(f"/images/{quote(name)}/get", out)

    def _load(self, image: Image, name: str, without: Collection[Digest], progress: Progress) -> None:
        def give(send: Send) -> None:
            write_docker_archive(image, name, cast("IO[bytes]", _Pushed(send)), progress, without)

        self.engine.do("POST", "/images/load?quiet=1", give)

    def _pull(self, image: Image, name: str, progress: Progress) -> tuple[Sent, ...]:
        platform = spelled(image.config.platform)
        repository, _, tag = name.rpartition(":")
        with offering(image, progress) as offer:
            wanted = {"fromImage": offer.repository, "tag": offer.tag, "platform": platform}
            self.engine.do("POST", f"/images/create?{urlencode(wanted)}")
            try:
                self.engine.do(
                    "POST", f"/images/{quote(offer.reference)}/tag?{urlencode({'repo': repository, 'tag': tag})}"
                )
            finally:
                self.engine.do("DELETE", f"/images/{quote(offer.reference)}?noprune=1")
        return offer.sent()

    def _chains(self) -> set[Chain]:
        """All chains of layers in the engine's images."""
        found: set[Chain] = set()
        for listed in self.engine.get("/images/json"):
            told = self.engine.get(f"/images/{quote(listed['Id'], safe=':')}/json")
            layers = tuple(Digest(layer) for layer in told.get("RootFS", {}).get("Layers") or ())
            found.update(layers[:length] for length in range(1, len(layers) + 1))
        return found


@dataclass(frozen=True)
class _Pushed:
    """A file that is only written to."""

    send: Callable[[Buffer], None]

    def write(self, data: Buffer) -> int:
        self.send(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""
