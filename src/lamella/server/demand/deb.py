"""Images of Debian packages, chosen from archives as they are now."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.server.demand.errors import UnknownError
from lamella.server.demand.names import LATEST, Request
from lamella.server.demand.pin import Pin
from lamella.server.demand.settings import Source
from lamella.server.demand.workshop import PATH, Workshop, config, each_platform, locked
from lamella.sources.debian.archives import suites
from lamella.spec.model import Image, Layer, Spec
from lamella.spec.problems import SpecError
from lamella.spec.wants import DebWant

ADDED = ("base-files", "ca-certificates", "netbase")
"""What comes along: folders and files that programs expect, authorities for TLS, and the names of protocols."""

SHELL = ("bash", "coreutils", "nano")


def pin(request: Request, place: Workplace) -> Pin:
    """The signed words of the archives pin: all packages and their hashes follow from these."""
    if request.tag != LATEST:
        raise UnknownError(f"images of {request.source.name} have no tag but {LATEST}, so there is no {request.tag}")
    return Pin(archives(request.source, place), moving=False)


def archives(source: Source, place: Workplace) -> str:
    """The hash of what the archives are at this moment."""
    outside = needed(place.outside, "an archive of Debian packages")
    told = source.debian
    hashed = hashlib.sha256()
    for suite in suites(told.archives, told.keyring, outside.registries.environment):
        signed = outside.downloads.fetcher.document(f"{suite.uri}/dists/{suite.name}/InRelease")
        hashed.update(f"{suite} {len(signed)}\n".encode() + signed)
    return f"archives {hashed.hexdigest()}"


def specs(request: Request, folder: Path, workshop: Workshop) -> list[Spec]:
    """The image for each platform, with the lock of what is chosen."""
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
    """The packages, and what comes along."""
    whole = {*names, *ADDED, *(SHELL if shell else ())}
    return [_want(name) for name in sorted(whole)]


def _want(name: str) -> DebWant:
    try:
        return DebWant(name)
    except SpecError as error:
        raise UnknownError(f"no Debian package can be called {name}") from error
