"""Which packages go together: what is asked for, all that it depends on, and for each choice what apt would take.

The newest version of a package counts. Of alternatives the first that can be had is taken, unless another is there
already. A name that no package has stands for those that provide it: the most important one, then the first by name.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lamella.sources.debian.control import fields, stanzas
from lamella.sources.debian.version import satisfies, version_key
from lamella.sources.tree import SourceError

ESSENTIAL = "essential"
"""Stands for all packages that Debian calls essential."""

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][\w.+-]*)(?::\w+)?\s*"
    r"(?:\(\s*(?P<relation><<|<=|=|>=|>>|<|>)\s*(?P<version>\S+?)\s*\))?"
)
_PRIORITIES = ("required", "important", "standard", "optional", "extra")


class DependencyError(SourceError):
    """Packages that go together cannot be found."""


@dataclass(frozen=True)
class Relation:
    """A package that is depended on, in versions that stand in `relation` to `version`."""

    name: str
    relation: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.relation} {self.version})" if self.relation else self.name


@dataclass(frozen=True)
class Deb:
    """A package as an index tells of it; `uri` is the archive that it lies in."""

    stanza: str
    uri: str

    @cached_property
    def fields(self) -> dict[str, str]:
        return fields(self.stanza)

    @property
    def name(self) -> str:
        return self.fields["Package"]

    @property
    def version(self) -> str:
        return self.fields["Version"]

    @property
    def depends(self) -> list[list[Relation]]:
        """What has to be there too: of each list one."""
        told = (self.fields.get(key, "") for key in ("Pre-Depends", "Depends"))
        return [clause for text in told for clause in clauses(text)]

    @property
    def provides(self) -> list[Relation]:
        return [clause[0] for clause in clauses(self.fields.get("Provides", ""))]

    @property
    def excluded(self) -> list[Relation]:
        """What must not be there beside it."""
        told = (self.fields.get(key, "") for key in ("Conflicts", "Breaks"))
        return [clause[0] for text in told for clause in clauses(text)]


def clauses(text: str) -> list[list[Relation]]:
    """A field of relations: clauses with commas between them, alternatives with bars."""
    found = []
    for clause in filter(str.strip, text.replace("\n", " ").split(",")):
        matches = [_RELATION.match(part.strip()) for part in clause.split("|")]
        found.append([Relation(m["name"], m["relation"] or "", m["version"] or "") for m in matches if m])
    return [clause for clause in found if clause]


class Catalogue:
    """All packages that can be had for an architecture."""

    def __init__(self, texts: Iterable[tuple[str, str]], kept: Mapping[str, str]) -> None:
        """`texts` are indexes, each with the address of its archive; versions that are `kept` count as the newest."""
        self._kept = kept
        self._stanzas: defaultdict[str, list[Deb]] = defaultdict(list)
        self._virtual: defaultdict[str, set[str]] = defaultdict(set)
        self.essential: set[str] = set()
        for uri, text in texts:
            for stanza in stanzas(text):
                first, _, rest = stanza.partition("\n")[0].partition(":")
                name = rest.strip() if first == "Package" else fields(stanza).get("Package", "")
                self._stanzas[name].append(Deb(stanza, uri))
                if "\nProvides:" in stanza:
                    for relation in self._stanzas[name][-1].provides:
                        self._virtual[relation.name].add(name)
                if "\nEssential: yes" in stanza:
                    self.essential.add(name)

    def newest(self, name: str) -> Deb | None:
        """The newest version of the package of that name, or the one to keep if it can still be had."""
        there = self._stanzas.get(name, ())
        kept = next((deb for deb in there if deb.version == self._kept.get(name)), None)
        return kept or max(there, key=lambda deb: version_key(deb.version), default=None)

    def like(self, name: str) -> list[str]:
        """The package whose name is most like that, if any is; the first letter is taken for right."""
        return difflib.get_close_matches(name, [one for one in self._stanzas if one[:1] == name[:1]], 1)

    def that_satisfy(self, relation: Relation) -> Iterator[Deb]:
        """What satisfies it, the best first."""
        own = self.newest(relation.name)
        if own and satisfies(own.version, relation.relation, relation.version):
            yield own
        others = [deb for name in self._virtual.get(relation.name, ()) if (deb := self.newest(name))]
        for deb in sorted(others, key=_rank):
            if any(_provides(one, relation) for one in deb.provides):
                yield deb


def _provides(one: Relation, wanted: Relation) -> bool:
    """Whether what is provided will do; where it tells no version it does for any that is not asked for one."""
    if one.name != wanted.name:
        return False
    return not wanted.relation or (bool(one.version) and satisfies(one.version, wanted.relation, wanted.version))


def _rank(deb: Deb) -> tuple[int, str]:
    priority = deb.fields.get("Priority", "optional")
    return (_PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES)), deb.name


@dataclass(frozen=True)
class Chosen:
    """A package that was chosen, and the names of those that it depends on and that are there."""

    deb: Deb
    references: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The packages that go together, by name, and those that each want stands for."""

    packages: tuple[Chosen, ...]
    roots: dict[str, tuple[str, ...]]


def resolve(wants: Sequence[str], catalogue: Catalogue, without: Sequence[str]) -> Answer:
    """What `wants` come to. What is `without` is there only if it is asked for by name."""
    left_out = frozenset(without) - frozenset(wants)
    roots = {want: [_wanted(name, catalogue) for name in _expanded(want, catalogue, left_out)] for want in wants}
    found = {deb.name: deb for debs in roots.values() for deb in debs}
    waiting = list(found.values())
    for deb in waiting:
        for clause in deb.depends:
            chosen = _choice(clause, deb, found, catalogue, left_out)
            if chosen and chosen.name not in found:
                found[chosen.name] = chosen
                waiting.append(chosen)
    _check_exclusions(found)
    packages = tuple(Chosen(deb, _references(deb, found)) for _, deb in sorted(found.items()))
    return Answer(packages, {want: tuple(deb.name for deb in debs) for want, debs in roots.items()})


def _expanded(want: str, catalogue: Catalogue, left_out: frozenset[str]) -> list[str]:
    return sorted(catalogue.essential - left_out) if want == ESSENTIAL else [want]


def _wanted(name: str, catalogue: Catalogue) -> Deb:
    relation = next((one for clause in clauses(name) for one in clause), None)
    found = next(catalogue.that_satisfy(relation), None) if relation else None
    if found is None:
        near = catalogue.like(name)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise DependencyError(f"no archive that is asked has a package {name}{hint}")
    return found


def _choice(
    clause: Sequence[Relation], deb: Deb, found: dict[str, Deb], catalogue: Catalogue, left_out: frozenset[str]
) -> Deb | None:
    """What to take for a clause of `deb`; None where it is left out."""
    options = [option for relation in clause for option in catalogue.that_satisfy(relation)]
    there = next((option for option in options if option.name in found), None)
    if there or any(relation.name in left_out for relation in clause) or any(o.name in left_out for o in options[:1]):
        return there
    if not options:
        told = " or ".join(map(str, clause))
        raise DependencyError(f"{deb.name} depends on {told}, and no archive that is asked has that")
    return options[0]


def _references(deb: Deb, found: dict[str, Deb]) -> tuple[str, ...]:
    by_name = {name: {name} for name in found}
    for name, other in found.items():
        for relation in other.provides:
            by_name.setdefault(relation.name, set()).add(name)
    names = {name for clause in deb.depends for relation in clause for name in by_name.get(relation.name, ())}
    return tuple(sorted(names - {deb.name}))


def _check_exclusions(found: dict[str, Deb]) -> None:
    for deb in found.values():
        for relation in deb.excluded:
            other = found.get(relation.name)
            if other and other is not deb and satisfies(other.version, relation.relation, relation.version):
                raise DependencyError(f"{deb.name} excludes {relation}, so it and {other.name} cannot be in one image")
