"""podman, which pulls what it lacks from a registry that exists only for that pull.

podman identifies layers by the digests of their tars, so from an image of plain tars it requests only the new layers.
"""

from dataclasses import dataclass
from typing import IO

from lamella.destinations.daemon import Program
from lamella.destinations.loopback import offering
from lamella.destinations.publish import Sent
from lamella.oci.image import Image, Progress, silent
from lamella.oci.reference import DOCKER_ARCHIVE


@dataclass(frozen=True)
class Podman:
    archive = DOCKER_ARCHIVE
    program: Program

    def load(self, image: Image, name: str, progress: Progress = silent) -> tuple[Sent, ...]:
        """Load `image` as `name`."""
        with offering(image, progress) as offer:
            self.program("pull", "--quiet", "--tls-verify=false", offer.reference)
            try:
                self.program("tag", offer.reference, name)
            finally:
                self.program("untag", offer.reference, offer.reference)
        return offer.sent()

    def save(self, name: str, out: IO[bytes]) -> None:
        """Write the image `name` as a docker-archive."""
        self.program.writes(out, "save", "--quiet", "--format=docker-archive", name)
