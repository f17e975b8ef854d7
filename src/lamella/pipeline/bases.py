"""What a base image holds, as far as its names tell."""

import tarfile
import threading
from collections.abc import Iterator
from os import fdopen, pipe

from lamella.oci.image import Buffer, Image, Layer


def names_in(base: Image | None) -> set[str]:
    """The paths of the files in `base`; those that a layer of it takes away may be among them."""
    return {path for layer in (base.layers if base else ()) for path in _names(layer)}


def _names(layer: Layer) -> Iterator[str]:
    """The layer's tar is read as it comes, by way of a pipe."""
    read, write = pipe()

    def give() -> None:
        with fdopen(write, "wb") as into:

            def put(block: Buffer) -> None:
                into.write(block)

            layer.content.tar(put)

    thread = threading.Thread(target=give, name="reading a base")
    thread.start()
    with fdopen(read, "rb") as out, tarfile.open(fileobj=out, mode="r|") as archive:
        for member in archive:
            yield "/" + member.name.lstrip("./")
        while out.read(1 << 20):
            pass
    thread.join()
