"""A record is trusted until the layer's bytes are made again, and forgotten if they are different."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lamella.errors import LamellaError
from lamella.images.stored import ImageError
from lamella.layers.make import RemadeError
from lamella.oci.digest import DigestError
from lamella.oci.image import Buffer, LayerBytes, Record, Sink
from lamella.plan import Key


class ForgottenError(LamellaError):
    """The record of a layer was wrong, and has been removed."""

    exit_code = 4

    def __init__(self, key: Key, cause: LamellaError) -> None:
        super().__init__(f"{cause} (its record was wrong and has been removed; run again)")
        self.key = key


def _at_most(size: int, sink: Sink) -> Sink:
    """Pass on at most `size` bytes, and refuse more; a size of 0 is unknown."""
    left = size

    def take(block: Buffer) -> None:
        nonlocal left
        left -= len(block)
        if size and left < 0:
            raise DigestError(f"there are more than the {size} bytes in its record")
        sink(block)

    return take


@dataclass(frozen=True)
class RememberedBytes:
    """The bytes of the layer with that key; `forget` is called if they do not match its record."""

    content: LayerBytes
    record: Record
    key: Key
    forget: Callable[[], None]

    def blob(self, sink: Sink) -> None:
        """Pass the blob, as it is sent, to `sink`."""
        with self._watched():
            self.content.blob(_at_most(self.record.size, sink))

    def tar(self, sink: Sink) -> None:
        """Pass the tar inside it to `sink`."""
        with self._watched():
            self.content.tar(_at_most(self.record.tar_size, sink))

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except (RemadeError, DigestError, ImageError) as error:
            self.forget()
            raise ForgottenError(self.key, error) from error
