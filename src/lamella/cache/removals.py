"""What is to be removed, why, and in which order: whoever stops in the middle leaves nothing that leads nowhere."""

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
"""What leads to others before those."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An item that nothing keeps. Of one kind, those of a higher level are led to by those of a lower one."""

    name: str
    kind: str
    size: int
    reason: str
    level: int = 0

    @property
    def stage(self) -> tuple[int, int]:
        """All of a stage can be removed at once, when all of the stages before it are."""
        return KINDS.index(self.kind), self.level


@dataclass(frozen=True, slots=True)
class View:
    """A survey with the rules to judge it by. `held` are items that somebody holds."""

    survey: Survey
    rules: Rules
    now: float
    held: frozenset[str]

    def is_young(self, moment: float) -> bool:
        return moment > self.now - self.rules.grace

    def is_counted_on(self, name: str) -> bool:
        """Whether somebody holds the item, or was told that it is there."""
        return name in self.held or self.is_young(self.survey.marks.get(name, 0.0))

    def used(self, repository: str, digest: str, written: float) -> float:
        """When something was last pulled, or written."""
        return max(written, self.survey.pulls.get(note(repository, digest), 0.0))


def reached(roots: Iterable[str], leads: Mapping[str, Collection[str]]) -> set[str]:
    """All that the roots lead to, with the roots themselves."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += leads.get(one, ())
    return found


def levels(leads: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Of the keys, how many steps each is below those to which none leads; what leads in a circle is lowest."""
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
