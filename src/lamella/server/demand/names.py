"""What the name and tag of an image ask for. Pure: nobody is asked whether it exists.

    [SOURCE/][shell/][amd64/][arm64/]PACKAGE/PACKAGE/...:TAG

The grammar is Nixery's. The order of packages says nothing, and what is there twice counts once. `shell` brings a shell
and what belongs to it; an architecture makes an image for that one alone. Both stand before all packages. After the
name of a source of specs stands the name of one, as it is.
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
from lamella.server.demand.pin import Pin
from lamella.server.demand.settings import ARCHITECTURES, META, NIX, PYPI, SHELL, SPECS, Limits, Source

LATEST = "latest"
"""The tag of those who name none."""

COMPRESSION = "gzip"
"""Whoever pulls can unpack that."""

_RULES = "demand-1"
"""Changes whenever other images are made of the same packages."""


@dataclass(frozen=True)
class Request:
    """What is asked of a source: packages in their order by name, or the name of a spec, part by part.

    `platforms` is empty where the spec says it.
    """

    source: Source
    packages: tuple[str, ...]
    tag: str = LATEST
    platforms: tuple[str, ...] = ()
    shell: bool = False
    layers: int = Limits().layers

    @property
    def name(self) -> str:
        """The same for all names that ask for this, but for the tag."""
        machines = [platform.partition("/")[2].replace("/", "-") for platform in self.platforms]
        meta = [SHELL] if self.shell else []
        return "/".join([self.source.name, *meta, *machines, *self.packages])

    @property
    def short_name(self) -> str:
        """The same where names of images have a limit."""
        return self.name[:LONGEST_NAME].rstrip("/._-")

    def key(self, pin: Pin) -> str:
        """The hash of all that the image's bytes follow from: same key, same image."""
        source = self.source
        told = [
            [_RULES, TAR_RULES, compressor(COMPRESSION).identity],
            [source.kind, source.origin, source.base, repr(source.debian), repr(source.python)],
            [self.name, self.layers, list(self.platforms) or spelled(here())],
            pin.what,
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def parse(repository: str, tag: str, sources: Sequence[Source], limits: Limits) -> Request:
    """What `repository:tag` asks for of `sources`, the first of which answers names that begin with none of theirs."""
    if len(repository) > LONGEST_NAME or not re.fullmatch(REPOSITORY, repository):
        raise WrongNameError(
            f"{_shown(repository)} is not the name of an image (lower-case letters, digits, and . _ - / between them)"
        )
    if not re.fullmatch(TAG, tag):
        raise WrongTagError(f"{_shown(tag)} is not a tag (letters, digits, and . _ - after the first; at most 128)")
    if not sources:
        raise UnknownError(f"{repository} is not here, and this server makes no images")
    parts = repository.split("/")
    named = next((one for one in sources if one.name == parts[0] and parts[1:]), None)
    source, words = (named, parts[1:]) if named else (sources[0], parts)
    if source.kind == SPECS:
        return Request(source, tuple(words), tag, layers=limits.layers)
    return _packages(source, words, tag, limits)


def _packages(source: Source, words: Sequence[str], tag: str, limits: Limits) -> Request:
    count = next((i for i, word in enumerate(words) if word not in META), len(words))
    meta, packages = set(words[:count]), {_normal(word, source) for word in words[count:]}
    if not packages and SHELL not in meta:
        raise UnknownError(f"{'/'.join(words)} names no package; write one after it, as in {words[-1]}/hello")
    if len(packages) > limits.packages:
        raise WrongNameError(f"{len(packages)} packages are asked for, and no more than {limits.packages} may be")
    machines = [f"linux/{word}" for word in ARCHITECTURES if word in meta]
    lost = [one for one in machines if source.platforms and one not in source.platforms]
    if lost:
        raise UnknownError(f"{source.name} has nothing for {lost[0]}, but for {', '.join(source.platforms)}")
    platforms = machines or source.platforms or _usual(source)
    return Request(source, tuple(sorted(packages)), tag, tuple(sorted(platforms)), SHELL in meta, limits.layers)


def _normal(word: str, source: Source) -> str:
    """Of names that indexes of Python packages take for one, one."""
    return re.sub("[._-]+", "-", word) if source.kind == PYPI else word


def _usual(source: Source) -> list[str]:
    return [spelled(here())] if source.kind == NIX else [f"linux/{machine}" for machine in ARCHITECTURES]


def _shown(text: str) -> str:
    return ascii(text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "...")
