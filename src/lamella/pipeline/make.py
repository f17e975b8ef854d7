"""Step 5: turns plans into layers. Layers with a record need no work; the others are made in one pass.

A layer streams to its targets (destinations, the blob cache) while it is hashed. The record is written last, after the
blob has its name, and after checking that the files still match the key.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace

from lamella.destinations.destination import Staging
from lamella.errors import LamellaError
from lamella.layers.compress import compressor
from lamella.layers.make import make, pack
from lamella.oci.image import Buffer, Record, Sink
from lamella.package import Entries
from lamella.pipeline.memory.kept import stored_bytes
from lamella.pipeline.workplace import Workplace
from lamella.plan import Key, LayerPlan, Planned, key, tar_key
from lamella.sources import files

Stage = Callable[[], Staging]
"""Returns a place for one blob whose digest is only known after it has passed."""


class LayerChangedError(LamellaError):
    """A layer that was made again has changed."""

    exit_code = 4


def look_up(plan: LayerPlan, compression: str, place: Workplace) -> Planned:
    """Return the plan with its key, and with its record if the layer need not be made again."""
    name = key(plan.parts, compressor(compression).identity)
    record = place.records.find(name)
    if record and not plan.reproducible and not place.blobs.has(record.diff_id, record.tar_size):
        record = None
    if record is None and plan.reproducible and name in place.remembered:
        record = place.remembered[name].record
    return Planned(plan, name, record)


def look_again(planned: Planned, wrong: Key, compression: str, place: Workplace) -> Planned:
    """Look up a layer again, after the record of the layer `wrong` has turned out to be wrong."""
    if planned.diff_id is None:
        return look_up(planned.plan, compression, place)
    return replace(planned, record=None) if planned.key == wrong else planned


def make_missing(
    layers: Sequence[Planned], compression: str, place: Workplace, entries: Entries, stages: Sequence[Stage]
) -> tuple[Planned, ...]:
    """Make the layers that have no record, in parallel, the largest first; return all `layers` with their records."""
    missing = sorted((p for p in layers if p.record is None), key=lambda planned: (-planned.plan.size, planned.key))
    stop = threading.Event()
    maker = _Maker(compression, place, entries, stages, stop)
    with ThreadPoolExecutor(place.threads) as pool:
        futures = {planned.key: pool.submit(maker.make, planned) for planned in missing}
        try:
            done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return tuple(replace(p, record=p.record or futures[p.key].result()) for p in layers)


@dataclass(frozen=True)
class _Maker:
    compression: str
    place: Workplace
    entries: Entries
    stages: Sequence[Stage]
    stop: threading.Event

    def make(self, planned: Planned) -> Record:
        """Make one layer, and write its record."""
        plan, place = planned.plan, self.place
        with ExitStack() as stack:
            wanted = [*self.stages, *([place.blobs.stage] if place.keep_blobs else [])]
            staged = [stack.enter_context(stage()) for stage in wanted]
            record = self._pass(planned, _tee(staged))
            if planned.diff_id and record.diff_id != planned.diff_id:
                raise LayerChangedError(
                    f"layer {plan.name!r} should be {planned.diff_id} and is {record.diff_id} now: its files changed, "
                    "or it is not reproducible"
                )
            for package in plan.packages:
                if package.source == "files":
                    files.check_unchanged(package, place.records)
            for stage in staged:
                stage.commit(record.digest, record.size)
        place.records.save(planned.key, record)
        place.records.save(tar_key(record.diff_id, compressor(self.compression).identity), record)
        place.progress(plan.name, record.tar_size, record.tar_size)
        return record

    def _pass(self, planned: Planned, sink: Sink | None) -> Record:
        plan = planned.plan
        if planned.stored:
            return pack(stored_bytes(planned.stored).tar, self.compression, sink)
        if plan.reproducible:
            return make(plan, self.entries, self.compression, sink, self._progress(plan))
        with self.place.blobs.stage() as kept:
            tar = make(plan, self.entries, "none", kept.write, self._progress(plan))
            kept.commit(tar.diff_id, tar.tar_size)
        return pack(lambda to: self.place.blobs.copy(tar.diff_id, to), self.compression, sink)

    def _progress(self, plan: LayerPlan) -> Callable[[int], None]:
        def tell(done: int) -> None:
            if self.stop.is_set():
                raise LamellaError(f"layer {plan.name!r} was stopped because another layer failed")
            self.place.progress(plan.name, done, max(plan.size, done + 1))

        return tell


def _tee(staged: Sequence[Staging]) -> Sink | None:
    if len(staged) < 2:
        return staged[0].write if staged else None

    def write(block: Buffer) -> None:
        for stage in staged:
            stage.write(block)

    return write
