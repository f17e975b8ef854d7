"""Chooses packages: the requested ones with their dependencies, and for each choice what apt would take.

The newest version of a package counts. Of alternatives, the first available one is taken, unless another was already
chosen. The name of a virtual package stands for those that provide it: the most important one, then the first by name.
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
"""The name for all essential packages."""

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][\w.+-]*)(?::\w+)?\s*"
    r"(?:\(\s*(?P<relation><<|<=|=|>=|>>|<|>)\s*(?P<version>\S+?)\s*\))?"
)
_PRIORITIES = ("required", "important", "standard", "optional", "extra")


class DependencyError(SourceError):
    """A Debian package or a dependency does not exist, or packages conflict."""


@dataclass(frozen=True)
class Relation:
    """A dependency on a package, in versions in `relation` to `version`."""

    name: str
    relation: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.relation} {self.version})" if self.relation else self.name


@dataclass(frozen=True)
class Deb:
    """A package as an index describes it; `uri` is its archive."""

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
        """Its dependencies: one of each list is needed."""
        told = (self.fields.get(key, "") for key in ("Pre-Depends", "Depends"))
        return [clause for text in told for clause in clauses(text)]

    @property
    def provides(self) -> list[Relation]:
        return [clause[0] for clause in clauses(self.fields.get("Provides", ""))]

    @property
    def excluded(self) -> list[Relation]:
        """What it cannot be installed with."""
        told = (self.fields.get(key, "") for key in ("Conflicts", "Breaks"))
        return [clause[0] for text in told for clause in clauses(text)]


def clauses(text: str) -> list[list[Relation]]:
    """A field of relations: clauses separated by commas, alternatives by bars."""
    found = []
    for clause in filter(str.strip, text.replace("\n", " ").split(",")):
        matches = [_RELATION.match(part.strip()) for part in clause.split("|")]
        found.append([Relation(m["name"], m["relation"] or "", m["version"] or "") for m in matches if m])
    return [clause for clause in found if clause]


class Catalogue:
    """All available packages for an architecture."""

    def __init__(self, texts: Iterable[tuple[str, str]], kept: Mapping[str, str]) -> None:
        """`texts` are archive addresses with indexes; versions in `kept` count as the newest."""
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
        """The newest version of the package with that name, or the one to keep if it is still available."""
        there = self._stanzas.get(name, ())
        kept = next((deb for deb in there if deb.version == self._kept.get(name)), None)
        return kept or max(there, key=lambda deb: version_key(deb.version), default=None)

    def like(self, name: str) -> list[str]:
        """The package with the most similar name, if there is one; the first letter must be right."""
        return difflib.get_close_matches(name, [one for one in self._stanzas if one[:1] == name[:1]], 1)

    def that_satisfy(self, relation: Relation) -> Iterator[Deb]:
        """The packages that satisfy it, the best first."""
        own = self.newest(relation.name)
        if own and satisfies(own.version, relation.relation, relation.version):
            yield own
        others = [deb for name in self._virtual.get(relation.name, ()) if (deb := self.newest(name))]
        for deb in sorted(others, key=_rank):
            if any(_provides(one, relation) for one in deb.provides):
                yield deb


def _provides(one: Relation, wanted: Relation) -> bool:
    """Whether what is provided suffices; without a version, it satisfies only relations without a version."""
    if one.name != wanted.name:
        return False
    return not wanted.relation or (bool(one.version) and satisfies(one.version, wanted.relation, wanted.version))


def _rank(deb: Deb) -> tuple[int, str]:
    priority = deb.fields.get("Priority", "optional")
    return (_PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES)), deb.name


@dataclass(frozen=True)
class Chosen:
    """A chosen package, and the names of chosen packages that it depends on."""

    deb: Deb
    references: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The chosen packages by name, and those that each want stands for."""

    packages: tuple[Chosen, ...]
    roots: dict[str, tuple[str, ...]]


def resolve(wants: Sequence[str], catalogue: Catalogue, without: Sequence[str]) -> Answer:
    """The packages for `wants`. Those in `without` are left out unless the wants name them."""
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
        raise DependencyError(f"no archive has a package {name}{hint}")
    return found


def _choice(
    clause: Sequence[Relation], deb: Deb, found: dict[str, Deb], catalogue: Catalogue, left_out: frozenset[str]
) -> Deb | None:
    """The package for a clause of `deb`; None if it is left out."""
    options = [option for relation in clause for option in catalogue.that_satisfy(relation)]
    there = next((option for option in options if option.name in found), None)
    if there or any(relation.name in left_out for relation in clause) or any(o.name in left_out for o in options[:1]):
        return there
    if not options:
        told = " or ".join(map(str, clause))
        raise DependencyError(f"{deb.name} depends on {told}, which no archive has")
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
                raise DependencyError(
                    f"{deb.name} conflicts with {relation}, so {other.name} cannot be in the same image"
                )
