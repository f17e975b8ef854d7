"""containerd, which imports an archive through `ctr`, without the layers that its namespace already has.

The archive goes through the standard input of a program, so it also reaches machines on which nothing of ours is
installed: the nodes of a cluster that run as containers.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import IO

from lamella.destinations.archive import write_oci_archive
from lamella.destinations.daemon import Program
from lamella.destinations.destination import DestinationError
from lamella.destinations.publish import EXISTS, SENT, Sent
from lamella.oci.digest import Digest
from lamella.oci.image import Image, Progress, parcel_of, silent
from lamella.oci.platforms import spelled
from lamella.oci.reference import OCI_ARCHIVE, parse_reference


@dataclass(frozen=True)
class Containerd:
    """The containerd that `ctr` talks to; an empty `namespace` means ctr's default."""

    archive = OCI_ARCHIVE
    program: Program
    namespace: str = ""

    def load(self, image: Image, name: str, progress: Progress = silent) -> tuple[Sent, ...]:
        """Load `image` as `name`. A containerd that rejects an incomplete archive gets a complete one."""
        known = set(self._ctr("content", "ls", "--quiet").split())
        there = {layer.record.digest for layer in image.layers} & known
        try:
            self._load(image, name, progress, there)
        except DestinationError:
            if not there:
                raise
            there = set()
            self._load(image, name, progress, there)
        return tuple(Sent(layer, EXISTS if layer.record.digest in there else SENT) for layer in image.layers)

    def save(self, name: str, out: IO[bytes]) -> None:
        """Write the image `name` as an oci-archive."""
        self.program.writes(out, *self._where(), "images", "export", "-", str(parse_reference(name)))

    def _load(self, image: Image, name: str, progress: Progress, without: Collection[Digest]) -> None:
        platform = spelled(image.config.platform)
        arguments = ("images", "import", f"--platform={platform}", "-")
        with self.program.reads(*self._where(), *arguments) as out:
            write_oci_archive(parcel_of(image), str(parse_reference(name)), out, progress, without)

    def _ctr(self, *arguments: str) -> str:
        return self.program(*self._where(), *arguments)

    def _where(self) -> tuple[str, ...]:
        return (f"--namespace={self.namespace}",) if self.namespace else ()
