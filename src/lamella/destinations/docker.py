"""Docker's engine, over its own API: an image is loaded as an archive from which all is left out that it has.

Docker knows layers by the chain of diff_ids below them. A tar whose chain it has need not be in the archive; its name
in `manifest.json` is enough. So a small change to a large image is a small load. An engine that keeps images in
containerd's store knows blobs instead, and pulls those that it lacks from a registry that is there for that pull.
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
        """Loads `image` as `name`, as in `app:1.0`; tells which layers the engine had.

        An engine that does not take an archive with anything left out gets all of it.
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
        """Writes the image `name` as a docker-archive."""
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
        """All chains of layers that images of the engine have."""
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
        """Nothing is held back."""
