"""What is remembered is believed until its bytes are made again, and forgotten when they turn out to be others."""

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
    """What was remembered of a layer was wrong, and is forgotten now."""

    exit_code = 4

    def __init__(self, key: Key, cause: LamellaError) -> None:
        super().__init__(f"{cause} (what was remembered of it is forgotten; run again)")
        self.key = key


def _at_most(size: int, sink: Sink) -> Sink:
    """Passes on no more bytes than whoever takes them was told of; a size of 0 was not told."""
    left = size

    def take(block: Buffer) -> None:
        nonlocal left
        left -= len(block)
        if size and left < 0:
            raise DigestError(f"there are more than the {size} bytes that were remembered")
        sink(block)

    return take


@dataclass(frozen=True)
class RememberedBytes:
    """The bytes of the layer with that key; `forget` is called if they are not what was remembered."""

    content: LayerBytes
    record: Record
    key: Key
    forget: Callable[[], None]

    def blob(self, sink: Sink) -> None:
        """The blob as it is shipped."""
        with self._watched():
            self.content.blob(_at_most(self.record.size, sink))

    def tar(self, sink: Sink) -> None:
        """The tar inside it."""
        with self._watched():
            self.content.tar(_at_most(self.record.tar_size, sink))

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except (RemadeError, DigestError, ImageError) as error:
            self.forget()
            raise ForgottenError(self.key, error) from error
