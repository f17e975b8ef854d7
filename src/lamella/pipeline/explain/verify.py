"""Verifies what images in registries say about layers: makes each again from its files, and compares."""

from lamella.errors import LamellaError
from lamella.layers.make import PlannedBytes
from lamella.oci.image import Buffer
from lamella.oci.validate import Problem
from lamella.pipeline.draft import Draft
from lamella.pipeline.packages.fetching import entries_from
from lamella.pipeline.workplace import Workplace


def verify(draft: Draft, place: Workplace) -> tuple[int, list[Problem]]:
    """Return how many layers of `draft` are remembered, and everything that is wrong with them."""
    told = [planned for planned in draft.layers if planned.key in place.remembered]
    problems = []
    for planned in told:
        record = place.remembered[planned.key].record
        try:
            PlannedBytes(planned.plan, entries_from(draft.where, place), draft.compression, record).blob(_nowhere)
        except LamellaError as error:
            problems.append(Problem(str(error), draft.layers.index(planned)))
    return len(told), problems


def _nowhere(_block: Buffer) -> None:
    """Drop the bytes, which are only hashed."""
