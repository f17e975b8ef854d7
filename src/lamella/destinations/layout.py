"""An OCI image layout in a folder.

    oci-layout      says what the folder is; also the lock for the index
    index.json      the images' names
    blobs/sha256/   layers, configs and manifests, named by digest
    .lamella/       blobs that are being written; removed when there are none

A blob appears under its name complete or not at all. Images that other programs have put there are left alone.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from lamella.destinations.destination import DestinationError, put_staged
from lamella.oci import media
from lamella.oci.digest import Digest, encoded
from lamella.oci.image import Body
from lamella.oci.wire import CONTAINERD_NAME, REF_NAME, Descriptor
from lamella.staging import StagedBlob, explained, staged, sweep, tidy, write_all

MARK = b'{"imageLayoutVersion":"1.0.0"}'
_MARK_FILE = "oci-layout"
_STAGING = ".lamella"


class Layout:
    """The layout in the folder `root`, which is a layout already, is empty, or is created."""

    keeps_whole = False

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / _STAGING
        with explained(root, "cannot write to"):
            self._prepare()
            sweep(self._staging)

    def has(self, blob: Descriptor) -> bool:
        """Whether a file of the blob's size exists."""
        path = self._path(blob.digest)
        with explained(path, "cannot look for"):
            try:
                return path.stat().st_size == blob.size
            except FileNotFoundError:
                return False

    def stage(self) -> StagedBlob:
        """A place for one blob."""
        return StagedBlob(self._staging, self._path)

    def put(self, blob: Descriptor, body: Body) -> bool:
        """Store `blob`."""
        return put_staged(self, blob, body)

    def tag(self, name: str, root: Descriptor, _data: bytes) -> None:
        """Name the manifest `root`; whatever had that name loses it."""
        with self._locked():
            index = self._index()
            others = [entry for entry in index["manifests"] if name_of(entry) != name]
            index["manifests"] = [*others, msgspec.to_builtins(named(root, name))]
            path = self._root / "index.json"
            with explained(path, "cannot write"), staged(self._staging) as (new, file):
                write_all(file, json.dumps(index, separators=(",", ":")).encode())
                new.rename(path)
        tidy(self._staging)

    def _path(self, digest: Digest) -> Path:
        return self._root / "blobs" / digest.partition(":")[0] / encoded(digest)

    def _prepare(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        there = sorted(path.name for path in self._root.iterdir() if path.name != _STAGING)
        if there and _MARK_FILE not in there:
            raise DestinationError(
                f"{self._root} is not an image layout and holds {there[0]!r}; choose an empty folder or a new one"
            )
        with self._locked() as mark:
            text = mark.read(1000)
            if not text:
                mark.write(MARK)
            elif b'"1.0.0"' not in text:
                raise DestinationError(f"{self._root / _MARK_FILE} does not say version 1.0.0, the only one supported")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """The file that marks the folder as a layout, locked exclusively."""
        path = self._root / _MARK_FILE
        with contextlib.ExitStack() as stack:
            with explained(path, "cannot lock"):
                mark = stack.enter_context(path.open("a+b"))
                fcntl.flock(mark, fcntl.LOCK_EX)
                mark.seek(0)
            yield mark

    def _index(self) -> dict[str, Any]:
        """The current index, with everything that other programs wrote into it."""
        path = self._root / "index.json"
        new: dict[str, Any] = {"schemaVersion": 2, "mediaType": media.INDEX, "manifests": []}
        with explained(path, "cannot read"):
            if not path.exists():
                return new
            text = path.read_bytes()
        with contextlib.suppress(ValueError, RecursionError):
            index = json.loads(text)
            manifests = index.get("manifests") or [] if isinstance(index, dict) else None
            if isinstance(manifests, list) and all(isinstance(entry, dict) for entry in manifests):
                return {**index, "manifests": manifests}
        raise DestinationError(f"{path} is damaged; remove it and publish the images of this layout again")


def named(root: Descriptor, name: str) -> Descriptor:
    """`root` with its name in an index; a name with a host also becomes containerd's name for it."""
    annotations = {key: value for key, value in root.annotations.items() if key not in (REF_NAME, CONTAINERD_NAME)}
    if "/" in name:
        annotations[CONTAINERD_NAME] = name
    return msgspec.structs.replace(root, annotations={**annotations, REF_NAME: name} if name else annotations)


def name_of(entry: dict[str, Any]) -> str:
    """The name that an index gives one of its entries."""
    annotations = entry.get("annotations")
    return str(annotations.get(REF_NAME, "")) if isinstance(annotations, dict) else ""
