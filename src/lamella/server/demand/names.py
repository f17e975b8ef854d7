"""What the name and tag of an image mean. Pure: it is not checked whether the packages exist.

    [SOURCE/][shell/][amd64/][arm64/]PACKAGE/PACKAGE/...:TAG

The grammar is Nixery's. The order of packages has no meaning, and duplicates count once. `shell` adds a shell and what
belongs to it; an architecture makes an image for that one alone. Both come before all packages. If the source is one of
specs, the rest is the name of a spec.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lamella.layers.compress import compressor
from lamella.oci.platforms import here, spelled
from lamella.oci.reference import LONGEST_NAME, REPOSITORY, TAG
from lamella.plan import TAR_RULES
from lamella.server.demand.errors import UnknownError, WrongNameError, WrongTagError
from lamella.server.demand.settings import ARCHITECTURES, META, NIX, PYPI, SHELL, SPECS, BuildLimits, Source

LATEST = "latest"
"""The tag if none is given."""

COMPRESSION = "gzip"
"""Every client can unpack it."""

_RULES = "demand-1"
"""Must change whenever the same packages make a different image."""


@dataclass(frozen=True)
class Pin:
    """Which packages a source has, at one moment.

    `what` determines everything that a source would answer, unless it is `moving`: then only where to ask. What is made
    from a moving source must not be remembered under its name.
    """

    what: str
    moving: bool


@dataclass(frozen=True)
class Request:
    """What is requested of a source: packages sorted by name, or the name of a spec, part by part.

    `platforms` is empty if the spec decides.
    """

    source: Source
    packages: tuple[str, ...]
    tag: str = LATEST
    platforms: tuple[str, ...] = ()
    shell: bool = False
    layers: int = BuildLimits().layers

    @property
    def name(self) -> str:
        """The same for all names with this meaning; without the tag."""
        machines = [platform.partition("/")[2].replace("/", "-") for platform in self.platforms]
        meta = [SHELL] if self.shell else []
        return "/".join([self.source.name, *meta, *machines, *self.packages])

    @property
    def short_name(self) -> str:
        """The name, cut to the length that image names may have."""
        return self.name[:LONGEST_NAME].rstrip("/._-")

    def key(self, pin: Pin) -> str:
        """Return the hash of all that determines the image's bytes: same key, same image."""
        source = self.source
        told = [
            [_RULES, TAR_RULES, compressor(COMPRESSION).identity],
            [source.kind, source.origin, source.base, repr(source.debian), repr(source.python)],
            [self.name, self.layers, list(self.platforms) or spelled(here())],
            pin.what,
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def parse(repository: str, tag: str, sources: Sequence[Source], limits: BuildLimits) -> Request:
    """Return what `repository:tag` means. Names without the prefix of a source belong to the first of `sources`."""
    if len(repository) > LONGEST_NAME or not re.fullmatch(REPOSITORY, repository):
        raise WrongNameError(
            f"{_shown(repository)} is not a valid image name (lower-case letters, digits, and . _ - / between them)"
        )
    if not re.fullmatch(TAG, tag):
        raise WrongTagError(f"{_shown(tag)} is not a tag (letters, digits, and . _ - after the first; at most 128)")
    if not sources:
        raise UnknownError(f"{repository} does not exist, and this server builds no images")
    parts = repository.split("/")
    named = next((one for one in sources if one.name == parts[0] and parts[1:]), None)
    source, words = (named, parts[1:]) if named else (sources[0], parts)
    if source.kind == SPECS:
        return Request(source, tuple(words), tag, layers=limits.layers)
    return _packages(source, words, tag, limits)


def _packages(source: Source, words: Sequence[str], tag: str, limits: BuildLimits) -> Request:
    count = next((i for i, word in enumerate(words) if word not in META), len(words))
    meta, packages = set(words[:count]), {_normal(word, source) for word in words[count:]}
    if not packages and SHELL not in meta:
        raise UnknownError(f"{'/'.join(words)} names no package; add one, as in {words[-1]}/hello")
    if len(packages) > limits.packages:
        raise WrongNameError(f"the name has {len(packages)} packages; the limit is {limits.packages}")
    machines = [f"linux/{word}" for word in ARCHITECTURES if word in meta]
    lost = [one for one in machines if source.platforms and one not in source.platforms]
    if lost:
        raise UnknownError(f"{source.name} has no images for {lost[0]}, only for {', '.join(source.platforms)}")
    platforms = machines or source.platforms or _usual(source)
    return Request(source, tuple(sorted(packages)), tag, tuple(sorted(platforms)), SHELL in meta, limits.layers)


def _normal(word: str, source: Source) -> str:
    """Return one spelling for all names that Python package indexes treat as the same."""
    return re.sub("[._-]+", "-", word) if source.kind == PYPI else word


def _usual(source: Source) -> list[str]:
    return [spelled(here())] if source.kind == NIX else [f"linux/{machine}" for machine in ARCHITECTURES]


def _shown(text: str) -> str:
    return ascii(text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "...")
