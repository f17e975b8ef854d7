"""What is to be removed, why, and in which order: stopping in the middle never leaves an item that leads nowhere."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lamella.cache.policies import Rules
from lamella.cache.repositories import note
from lamella.cache.survey import Survey

KINDS = (
    "tag",
    "built image",
    "referrer",
    "manifest",
    "link",
    "record",
    "blob",
    "narinfo",
    "nar",
    "upload",
    "log",
    "job",
    "mark",
)
"""In order of removal: what leads to other items comes before those."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An item that nothing keeps. Within a kind, items of a lower level lead to items of a higher one."""

    name: str
    kind: str
    size: int
    reason: str
    level: int = 0

    @property
    def stage(self) -> tuple[int, int]:
        """All items of a stage can be removed at once, after all earlier stages."""
        return KINDS.index(self.kind), self.level


@dataclass(frozen=True, slots=True)
class View:
    """A survey, with the rules to judge it by. `held` are the items that publishers hold."""

    survey: Survey
    rules: Rules
    now: float
    held: frozenset[str]

    def is_young(self, moment: float) -> bool:
        return moment > self.now - self.rules.grace

    def is_counted_on(self, name: str) -> bool:
        """Whether a client holds the item, or was told that it exists."""
        return name in self.held or self.is_young(self.survey.marks.get(name, 0.0))

    def used(self, repository: str, digest: str, written: float) -> float:
        """When something was last pulled, or written."""
        return max(written, self.survey.pulls.get(note(repository, digest), 0.0))


def reached(roots: Iterable[str], leads: Mapping[str, Collection[str]]) -> set[str]:
    """Everything that the roots lead to, including the roots themselves."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += leads.get(one, ())
    return found


def levels(leads: Mapping[str, Collection[str]]) -> dict[str, int]:
    """How many steps each key is below the keys that nothing leads to; keys in a cycle are lowest."""
    inner = {one: {other for other in others if other in leads and other != one} for one, others in leads.items()}
    waiting = Counter(other for others in inner.values() for other in others)
    found: dict[str, int] = {}
    level = 0
    ready = [one for one in inner if not waiting[one]]
    while ready:
        found |= dict.fromkeys(ready, level)
        below = [other for one in ready for other in inner[one]]
        waiting.subtract(below)
        ready = [one for one in dict.fromkeys(below) if not waiting[one]]
        level += 1
    return dict.fromkeys(leads, level) | found
