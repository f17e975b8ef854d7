"""Images of Debian packages, chosen from archives as they are now."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.server.demand.errors import UnknownError
from lamella.server.demand.names import LATEST, Pin, Request
from lamella.server.demand.settings import Source
from lamella.server.demand.workshop import PATH, Workshop, config, each_platform, locked
from lamella.sources.debian.suites import suites
from lamella.spec.model import Image, Layer, Spec
from lamella.spec.problems import SpecError
from lamella.spec.wants import DebWant

ADDED = ("base-files", "ca-certificates", "netbase")
"""Added to every image: folders and files that programs expect, TLS authorities, and the names of protocols."""

SHELL = ("bash", "coreutils", "nano")


def pin(request: Request, place: Workplace) -> Pin:
    """Return the pin: the hash of the archives' signed indexes, which determine all packages and their hashes."""
    if request.tag != LATEST:
        raise UnknownError(
            f"there is no tag {request.tag}: images from {request.source.name} have only the tag {LATEST}"
        )
    return Pin(archives(request.source, place), moving=False)


def archives(source: Source, place: Workplace) -> str:
    """Return the hash of the archives' current state."""
    outside = needed(place.outside, "an archive of Debian packages")
    told = source.debian
    hashed = hashlib.sha256()
    for suite in suites(told.archives, told.keyring, outside.registries.environment):
        signed = outside.downloads.fetcher.document(f"{suite.uri}/dists/{suite.name}/InRelease")
        hashed.update(f"{suite} {len(signed)}\n".encode() + signed)
    return f"archives {hashed.hexdigest()}"


def specs(request: Request, folder: Path, workshop: Workshop) -> list[Spec]:
    """Return the image for each platform, with the lock of what was chosen."""
    image = Image(
        name=request.short_name,
        layers=[Layer("packages", wants(request.packages, shell=request.shell), layering="dominators")],
        config=config(PATH, shell=request.shell),
        debian=request.source.debian,
        platforms=request.platforms,
        max_layers=request.layers,
    )
    locked(image, folder, workshop)
    return each_platform(image, folder)


def wants(names: Sequence[str], *, shell: bool) -> list[DebWant]:
    """Return the packages, and what is added to every image."""
    whole = {*names, *ADDED, *(SHELL if shell else ())}
    return [_want(name) for name in sorted(whole)]


def _want(name: str) -> DebWant:
    try:
        return DebWant(name)
    except SpecError as error:
        raise UnknownError(f"{name} is not a valid name of a Debian package") from error
