"""What a base image holds, as far as its names tell."""

import posixpath
import tarfile
import tempfile
from collections.abc import Iterator

from lamella.images.stored import ImageError
from lamella.oci.image import Image, Layer


def names_in(base: Image | None) -> set[str]:
    """The paths of the files in `base`; those that a layer of it takes away may be among them."""
    return {path for layer in (base.layers if base else ()) for path in _names(layer)}


def _names(layer: Layer) -> Iterator[str]:
    with tempfile.TemporaryFile() as file:
        layer.content.tar(file.write)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                yield from (
                    posixpath.normpath("/" + member.name.lstrip("/")) for member in archive if not member.isdir()
                )
        except tarfile.TarError as error:
            raise ImageError(f"the layer {layer.record.digest} of the base cannot be read: {error}") from error
