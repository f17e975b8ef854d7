"""Closures: sets of packages with everything they refer to. All functions are pure, and linear in the graph's size."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from lamella.errors import LamellaError
from lamella.package import Package


class ClosureError(LamellaError):
    """A graph is not a closure, or a package is not in it."""

    exit_code = 3


@dataclass(frozen=True)
class Closure:
    """Packages in the order of their source, and those that were requested (`roots`)."""

    packages: tuple[Package, ...]
    roots: tuple[str, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Package]:
        return {package.id: package for package in self.packages}

    @property
    def size(self) -> int:
        return sum(package.size for package in self.packages)


def closure(packages: Iterable[Package], roots: Iterable[str]) -> Closure:
    """Return a checked `Closure`: ids are unique, and every reference and root is a member."""
    found: dict[str, Package] = {}
    for package in packages:
        known = found.setdefault(package.id, package)
        if known.content != package.content:
            raise ClosureError(f"{package.id} occurs twice, with different contents")
    made = Closure(tuple(found.values()), tuple(dict.fromkeys(roots)))
    for package in made.packages:
        for reference in package.references:
            if reference not in made.by_id:
                raise ClosureError(f"{package.id} refers to {reference}, which is not in the closure")
    for root in made.roots:
        if root not in made.by_id:
            raise ClosureError(f"{root} is not in the closure")
    return made


def merge(closures: Iterable[Closure]) -> Closure:
    """Return a closure of all packages and roots of `closures`, in order."""
    parts = tuple(closures)
    return closure((p for part in parts for p in part.packages), (r for part in parts for r in part.roots))


def without(given: Closure, taken: frozenset[str] | set[str]) -> Closure:
    """Return `given` without the packages in `taken`, and without references to them."""
    if not taken:
        return given
    kept = [
        replace(p, references=tuple(r for r in p.references if r not in taken))
        for p in given.packages
        if p.id not in taken
    ]
    return Closure(tuple(kept), tuple(root for root in given.roots if root not in taken))


def reachable(given: Closure, roots: Iterable[str]) -> set[str]:
    """Return the ids of `roots` and of everything they refer to."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting.extend(given.by_id[here].references)
    return seen


def restrict(given: Closure, roots: Iterable[str]) -> Closure:
    """Return the part of `given` that `roots` need."""
    wanted = tuple(dict.fromkeys(roots))
    ids = reachable(given, wanted)
    return Closure(tuple(p for p in given.packages if p.id in ids), wanted)


def topological(given: Closure) -> Iterator[Package]:
    """Yield packages, each after all that refer to it; a cycle is cut where it is first met."""
    finished: list[Package] = []
    seen: set[str] = set()
    for start in (*given.roots, *given.by_id):
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(given.by_id[start].references))]
        while stack:
            here, references = stack[-1]
            following = next((r for r in references if r not in seen), None)
            if following is None:
                stack.pop()
                finished.append(given.by_id[here])
            else:
                seen.add(following)
                stack.append((following, iter(given.by_id[following].references)))
    return reversed(finished)


def why(given: Closure, target: str) -> tuple[str, ...]:
    """Return the shortest chain of references from a root to `target`, including both; empty if there is none."""
    found = brought_by(given)
    chain = [target] if target in found else []
    while chain and found[chain[-1]]:
        chain.append(found[chain[-1]])
    return tuple(reversed(chain))


def brought_by(given: Closure) -> dict[str, str]:
    """Return for each package that roots lead to its predecessor in the shortest chain; empty for roots."""
    found: dict[str, str] = dict.fromkeys(given.roots, "")
    line = list(given.roots)
    for here in line:
        for reference in given.by_id[here].references:
            if reference not in found:
                found[reference] = here
                line.append(reference)
    return found
