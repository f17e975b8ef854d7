"""The names of files in a base image."""

import contextlib
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator

from lamella.images.stored import ImageError
from lamella.oci.image import Body, Image, Layer


def names_in(base: Image | None) -> set[str]:
    """Return the paths of the files in `base`, including those that a layer of it removes."""
    return {path for layer in (base.layers if base else ()) for path in _names(layer)}


def _names(layer: Layer) -> Iterator[str]:
    with opened(layer.content.tar, layer.record.digest) as archive:
        yield from (place_of(member) for member in archive if not member.isdir())


def place_of(member: tarfile.TarInfo) -> str:
    """Return the place of a layer's member in the image."""
    return posixpath.normpath("/" + member.name.lstrip("/"))


@contextlib.contextmanager
def opened(tar: Body, name: str) -> Iterator[tarfile.TarFile]:
    """Open the tar of the layer `name`, to read it in any order."""
    with tempfile.TemporaryFile() as file:
        tar(file.write)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                yield archive
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise ImageError(f"the layer {name} cannot be read: {error}") from error
