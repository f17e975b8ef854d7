"""Closures for the tests of layering: written in a line, or random."""

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from lamella.closure import Closure, closure
from lamella.layering import Group
from lamella.oci.digest import sha256
from lamella.package import Package


def package(name: str, size: int = 1, references: Iterable[str] = (), version: int = 0) -> Package:
    return Package(name, name, sha256(f"{name} {version}".encode()), size, tuple(references))


def graph(told: Mapping[str, str], roots: str = "", sizes: Mapping[str, int] | None = None) -> Closure:
    """`{"a": "b c", "b": "", "c": ""}`: a refers to b and c. Packages are in the order of the mapping."""
    packages = [package(name, (sizes or {}).get(name, 1), references.split()) for name, references in told.items()]
    return closure(packages, roots.split())


def names(groups: Iterable[Group]) -> list[str]:
    """Each group as the names of its packages, to compare with results worked out by hand."""
    return [" ".join(package.name for package in group) for group in groups]


@st.composite
def closures(draw: st.DrawFn, most: int = 25) -> Closure:
    """Any graph, also with cycles and self references, with equal and different sizes."""
    number = draw(st.integers(0, most))
    ids = [f"p{position % 4}-{position}" for position in range(number)]
    references = st.lists(st.sampled_from(ids), max_size=4) if ids else st.just([])
    packages = [package(name, draw(st.sampled_from((0, 1, 2, 50, 200_000_000))), draw(references)) for name in ids]
    roots = draw(st.lists(st.sampled_from(ids), max_size=3)) if ids else []
    return closure(packages, roots)
