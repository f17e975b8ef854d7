"""skopeo's `dir:` as a destination: a folder with one image or index, in files that are easy to inspect."""

from pathlib import Path

from lamella.destinations.destination import DestinationError
from lamella.oci.digest import encoded
from lamella.oci.image import Body
from lamella.oci.media import is_manifest
from lamella.oci.wire import Descriptor
from lamella.staging import StagedBlob, explained, sweep, tidy

_MANIFEST = "manifest.json"
_VERSION = b"Directory Transport Version: 1.1\n"
_STAGING = ".lamella"


class Directory:
    """The folder `root`, which is such a folder already, is empty, or is created."""

    keeps_whole = False

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / _STAGING
        with explained(root, "cannot write to"):
            root.mkdir(parents=True, exist_ok=True)
            there = sorted(path.name for path in root.iterdir() if path.name != _STAGING)
            if there and "version" not in there:
                raise DestinationError(f"{root} was not written by dir: and holds {there[0]!r}; choose an empty folder")
            sweep(self._staging)
            (root / "version").write_bytes(_VERSION)

    def has(self, blob: Descriptor) -> bool:
        """Whether a file of the blob's size exists."""
        try:
            return self._path(blob).stat().st_size == blob.size
        except FileNotFoundError:
            return False

    def stage(self) -> StagedBlob:
        """A place for one blob."""
        return StagedBlob(self._staging, lambda digest: self._root / encoded(digest))

    def put(self, blob: Descriptor, body: Body) -> bool:
        """Store `blob`."""
        with StagedBlob(self._staging, lambda _: self._path(blob)) as staging:
            body(staging.write)
            staging.commit(blob.digest, blob.size)
        return True

    def tag(self, _name: str, root: Descriptor, _data: bytes) -> None:
        """Make `root` the folder's manifest; such a folder has no names."""
        path = self._path(root)
        with explained(path, "cannot name"):
            path.replace(self._root / _MANIFEST)
        tidy(self._staging)

    def _path(self, blob: Descriptor) -> Path:
        hexadecimal = encoded(blob.digest)
        return self._root / (f"{hexadecimal}.{_MANIFEST}" if is_manifest(blob.media_type) else hexadecimal)
