"""Examples of images that can be pulled from this server, for its home page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lamella.server.demand.settings import DEB, NIX, PYPI, Source

_EXAMPLES = {NIX: "shell/git/htop", DEB: "bash/curl", PYPI: "numpy/pandas"}
_KINDS = {NIX: "Nix packages", DEB: "Debian packages", PYPI: "Python packages"}


@dataclass(frozen=True, slots=True)
class Example:
    """A source, and the name of one of its images; `is_named` says whether names there are made of packages."""

    prefix: str
    what: str
    name: str
    is_named: bool


def examples(sources: Sequence[Source]) -> Iterator[Example]:
    """Yield an example for each source. Names without a prefix belong to the first source."""
    for i, source in enumerate(sources):
        name = _EXAMPLES.get(source.kind, "NAME")
        prefix = f"{source.name}/"
        yield Example(
            prefix,
            _KINDS.get(source.kind, "images from specs"),
            name if i == 0 else prefix + name,
            source.kind in _KINDS,
        )
