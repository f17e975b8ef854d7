"""Reads images from skopeo's `dir:`, a folder of blobs to look at.

manifest.json             what was copied: an image, or an index
HEX.manifest.json         manifests in an index
HEX                       configs and layers, by sha256
version                   the version of the format
"""

from dataclasses import dataclass
from pathlib import Path

from lamella.images.content import parcel_at, read_image
from lamella.images.layout import LayoutBlobs, choose
from lamella.images.opening import Folder
from lamella.images.stored import Extent, ImageError
from lamella.oci import media
from lamella.oci.digest import Digest, encoded, sha256
from lamella.oci.image import Image, Parcel
from lamella.oci.wire import Descriptor, Index, Platform, kind_of

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class DirectoryFiles:
    """The folder's files under the names that they would have in a layout."""

    folder: Folder
    root: Digest

    def find(self, name: str) -> Extent:
        """Return the file that a layout would call `name`; raise an `ImageError` if it does not exist."""
        return self.folder.find(self._own(name))

    def holds(self, name: str) -> bool:
        """Whether it exists."""
        return self.folder.holds(self._own(name))

    def _own(self, name: str) -> str:
        digest = name.rpartition("/")[2]
        if digest == encoded(self.root):
            return MANIFEST
        child = f"{digest}.{MANIFEST}"
        return child if self.folder.holds(child) else digest


def open_directory(path: Path, platform: Platform | None = None) -> Image:
    """Return the image in the folder; of several, the one for `platform`."""
    blobs, root = _blobs(path)
    index = Index(schema_version=2, manifests=[root])
    return read_image(blobs, choose(blobs, index, "", platform))


def directory_parcel(path: Path) -> Parcel:
    """Return everything in the folder."""
    return parcel_at(*_blobs(path))


def _blobs(path: Path) -> tuple[LayoutBlobs, Descriptor]:
    """The folder's blobs, and the descriptor of what was copied there."""
    folder = Folder(path)
    if not folder.holds(MANIFEST):
        raise ImageError(f"{path} was not written by dir:, as it has no {MANIFEST}")
    data = folder.find(MANIFEST).document()
    root = Descriptor(media_type=kind_of(data, media.MANIFEST), digest=sha256(data), size=len(data))
    return LayoutBlobs(DirectoryFiles(folder, root.digest), str(path)), root
