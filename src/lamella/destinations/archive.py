"""Images as archives that are written in one go, to a file or into a pipe.

A tar states each file's size before its bytes, and every layer's size is known before it is made, so nothing is
buffered. Files are sorted by name and dated 1970: the same image gives the same bytes.

    oci-archive     a tar of an OCI layout
    docker-archive  manifest.json, the config, and layers as plain tars, because old programs read nothing else
"""

import contextlib
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lamella.destinations.destination import DestinationError
from lamella.destinations.layout import MARK, named
from lamella.oci import media
from lamella.oci.digest import Digest, encoded, sha256
from lamella.oci.image import Buffer, Image, Layer, Parcel, Progress, Sink, silent
from lamella.oci.wire import Index, encode
from lamella.staging import staged_beside, write_all

_BLOCK = 512
_END = bytes(2 * _BLOCK)


@dataclass(frozen=True)
class _File:
    """A file of the archive; `label` is its name for users."""

    name: str
    size: int
    fill: Callable[[Sink], object]
    label: str = ""


def write_oci_archive(
    parcel: Parcel, tag: str, out: IO[bytes], progress: Progress = silent, without: Collection[Digest] = ()
) -> None:
    """Write a tar of the layout that holds `parcel` under the name `tag`.

    Layers with the digests `without` are left out, because the receiver has them.
    """
    index = Index(schema_version=2, media_type=media.INDEX, manifests=[named(parcel.root, tag)])
    files = [_document(_blob(descriptor.digest), data) for descriptor, data in parcel.documents]
    for layer in parcel.layers:
        record = layer.record
        if record.digest not in without:
            files.append(_File(_blob(record.digest), record.size, layer.content.blob, layer.name or record.digest))
    _write([*files, _document("index.json", encode(index)), _document("oci-layout", MARK)], out, progress)


def write_docker_archive(
    image: Image, name: str, out: IO[bytes], progress: Progress = silent, without: Collection[Digest] = ()
) -> None:
    """Write what `docker load` takes; the image gets `name`, as in `app:1.0`, if there is one.

    Tars with the diff_ids `without` are left out, because the receiver has them.
    """
    config = f"{encoded(sha256(image.config_bytes))}.json"
    layers = [_tar_name(layer) for layer in image.layers]
    item = {"Config": config, "RepoTags": [name] if name else None, "Layers": layers}
    files = [_document(config, image.config_bytes), _document("manifest.json", encode([item]))]
    for file, layer in {_tar_name(layer): layer for layer in reversed(image.layers)}.items():
        if layer.record.diff_id in without:
            continue
        files.append(_File(file, _tar_size(layer), layer.content.tar, layer.name or layer.record.diff_id))
    _write(files, out, progress)


@contextlib.contextmanager
def archive_file(path: Path) -> Iterator[IO[bytes]]:
    """A file for an archive; it gets its name at the end, unless an exception was raised."""
    try:
        with staged_beside(path) as file:
            yield file
    except DestinationError as error:
        raise DestinationError(f"{path}: {error}") from error


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _tar_name(layer: Layer) -> str:
    return f"{encoded(layer.record.diff_id)}.tar"


def _tar_size(layer: Layer) -> int:
    """The size of the layer's tar, counted if it is not recorded."""
    if layer.record.tar_size:
        return layer.record.tar_size
    size = 0

    def count(block: Buffer) -> None:
        nonlocal size
        size += len(block)

    layer.content.tar(count)
    return size


def _document(name: str, data: bytes) -> _File:
    return _File(name, len(data), lambda sink: sink(data))


def _write(files: Iterable[_File], out: IO[bytes], progress: Progress) -> None:
    """Write the archive of `files`, each name once."""
    unique = {file.name: file for file in files}
    for file in sorted(unique.values(), key=lambda file: file.name):
        write_out(out, _header(file.name, file.size))
        _Counted(file, out, progress).copy()
        write_out(out, bytes(-file.size % _BLOCK))
    write_out(out, _END)
    with _explained():
        out.flush()


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


class _Counted:
    """A file's bytes on their way into the archive: exactly as many as its header says."""

    def __init__(self, file: _File, out: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._out = out
        self._progress = progress
        self._done = 0

    def copy(self) -> None:
        self._file.fill(self._take)
        if self._done != self._file.size:
            raise self._wrong(f"has only {self._done} of")

    def _take(self, block: Buffer) -> None:
        self._done += len(block)
        if self._done > self._file.size:
            raise self._wrong("has more than")
        write_out(self._out, block)
        if self._file.label:
            self._progress(self._file.label, self._done, self._file.size)

    def _wrong(self, what: str) -> DestinationError:
        return DestinationError(f"{self._file.label or self._file.name} {what} the {self._file.size} bytes announced")


def write_out(out: IO[bytes], data: Buffer) -> None:
    """Write the next bytes of an archive."""
    with _explained():
        write_all(out, data)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise DestinationError("the reader of the archive stopped before its end") from error
    except OSError as error:
        raise DestinationError(f"cannot write the archive: {error.strerror or error}") from error
