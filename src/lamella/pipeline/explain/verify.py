"""Is what images in registries remember of layers true? Each is made again from its files, and compared."""

from lamella.errors import LamellaError
from lamella.layers.make import PlannedBytes
from lamella.oci.image import Buffer
from lamella.oci.validate import Problem
from lamella.pipeline.draft import Draft
from lamella.pipeline.packages.fetching import fetched
from lamella.pipeline.workplace import Workplace


def verify(draft: Draft, place: Workplace) -> tuple[int, list[Problem]]:
    """How many layers of `draft` something is remembered of, and all that is wrong with that."""
    told = [planned for planned in draft.layers if planned.key in place.remembered]
    problems = []
    for planned in told:
        record = place.remembered[planned.key].record
        try:
            PlannedBytes(planned.plan, fetched(draft.where, place), draft.compression, record).blob(_nowhere)
        except LamellaError as error:
            problems.append(Problem(str(error), draft.layers.index(planned)))
    return len(told), problems


def _nowhere(_block: Buffer) -> None:
    """The bytes are hashed, and not needed."""
