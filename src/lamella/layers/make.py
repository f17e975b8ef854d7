"""Turns plans into layers: one pass over the files gives the tar, its digests, the compressed bytes and the record.

    entries --tar--> block --sha256 (diff_id)--> | --compress--> --sha256 (digest)--> sink
                 this thread                     |            a second thread

All of this releases Python's lock, so a single layer keeps two cores busy, and several layers as many cores as there
are. The bytes do not depend on it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lamella.errors import LamellaError
from lamella.layers import tar
from lamella.layers.blocks import Blocks, Relay
from lamella.layers.compress import PLAIN, compressor
from lamella.layers.split import part_entries
from lamella.layers.tree import merge
from lamella.oci.digest import Passed
from lamella.oci.image import Buffer, Record, Sink
from lamella.package import Entries, Entry
from lamella.plan import LayerPlan

Progress = Callable[[int], object]
"""Called after each block with how many bytes of the tar are done. What it raises stops the work."""


class RemadeError(LamellaError):
    """A layer that was made again differs from its record."""

    exit_code = 4


def layer_entries(plan: LayerPlan, entries: Entries) -> Iterator[Entry]:
    """Yield everything in the layer of `plan`, in the order of its tar."""
    return merge([part_entries(part, entries) for part in plan.parts], [part.package.id for part in plan.parts])


def make(
    plan: LayerPlan,
    entries: Entries,
    compression: str,
    sink: Sink | None = None,
    progress: Progress | None = None,
) -> Record:
    """Read the files of `plan` once, and pass the blob to `sink`, from a second thread."""
    return _run(lambda blocks: tar.fill(layer_entries(plan, entries), blocks), compression, sink, progress)


def pack(source: Callable[[Sink], None], compression: str, sink: Sink | None = None) -> Record:
    """Do the same with a tar that exists: `source` gives its bytes."""
    return _run(lambda blocks: source(blocks.put), compression, sink, None)


@dataclass(frozen=True)
class PlannedBytes:
    """The bytes of a layer that was made once; made again on request, and checked against the record."""

    plan: LayerPlan
    entries: Entries
    compression: str
    record: Record

    def blob(self, sink: Sink) -> None:
        """The blob as it is shipped."""
        self._check(make(self.plan, self.entries, self.compression, sink))

    def tar(self, sink: Sink) -> None:
        """The tar inside it."""
        self._check(make(self.plan, self.entries, PLAIN, sink))

    def _check(self, made: Record) -> None:
        if made.diff_id != self.record.diff_id:
            raise RemadeError(
                f"layer {self.plan.name!r} was {self.record.diff_id} and is {made.diff_id} now: a package in it has "
                "changed, or is not reproducible; build the image again, or set reproducible = false"
            )
        if self.record.tar_size not in (0, made.tar_size):
            raise RemadeError(
                f"layer {self.plan.name!r} has {made.tar_size} bytes, and its record says {self.record.tar_size}"
            )
        blob = (self.record.media_type, self.record.digest, self.record.size)
        if made.media_type == self.record.media_type and blob != (made.media_type, made.digest, made.size):
            raise RemadeError(
                f"layer {self.plan.name!r} holds the same files as {self.record.digest}, but compresses to "
                f"{made.digest} here: another version of the compressor made the record; build the image again"
            )


def _run(fill: Callable[[Blocks], None], compression: str, sink: Sink | None, progress: Progress | None) -> Record:
    method = compressor(compression)
    stream = method.start()
    tar_sum = Passed()
    blob_sum = tar_sum if compression == PLAIN else Passed()
    passed = 0

    def ship(data: Buffer) -> None:
        blob_sum.add(data)
        if sink and data:
            sink(data)

    def swap(block: memoryview) -> memoryview:
        nonlocal passed
        passed += len(block)
        if blob_sum is not tar_sum:
            tar_sum.add(block)
        if progress and block:
            progress(passed)
        return relay.swap(block)

    with Relay(lambda block: ship(stream.compress(block))) as relay:
        blocks = Blocks(swap)
        fill(blocks)
        blocks.end()
    ship(stream.flush())
    return Record(tar_sum.digest, tar_sum.size, blob_sum.digest, blob_sum.size, method.media_type)
