"""What a base image holds, as far as its names tell."""

import contextlib
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator

from lamella.images.stored import ImageError
from lamella.oci.image import Body, Image, Layer


def names_in(base: Image | None) -> set[str]:
    """The paths of the files in `base`; those that a layer of it takes away may be among them."""
    return {path for layer in (base.layers if base else ()) for path in _names(layer)}


def _names(layer: Layer) -> Iterator[str]:
    with opened(layer.content.tar, layer.record.digest) as archive:
        yield from (place_of(member) for member in archive if not member.isdir())


def place_of(member: tarfile.TarInfo) -> str:
    """Where in the image a member of a layer lies."""
    return posixpath.normpath("/" + member.name.lstrip("/"))


@contextlib.contextmanager
def opened(tar: Body, name: str) -> Iterator[tarfile.TarFile]:
    """The tar of the layer `name`, to be read in any order."""
    with tempfile.TemporaryFile() as file:
        tar(file.write)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                yield archive
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise ImageError(f"the layer {name} cannot be read: {error}") from error
