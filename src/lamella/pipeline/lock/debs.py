"""Locks Debian packages, from signed indexes and from what the scripts of debs say about alternatives."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from lamella.oci.wire import Platform
from lamella.pipeline.lock.file import LockedDebian
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.packages.debian import Asking
from lamella.pipeline.workplace import Workplace
from lamella.sources.debian import alternatives
from lamella.sources.debian.alternatives import Alternative
from lamella.sources.debian.archives import address, indexes
from lamella.sources.debian.deb import control
from lamella.sources.debian.resolve import Catalogue, Chosen, Deb, resolve
from lamella.sources.debian.suites import suites
from lamella.sources.locked import LockedDeb
from lamella.sources.tree import SourceError
from lamella.transport.downloads import Wanted

_AT_ONCE = 8
_ARCHITECTURES = {
    "386": "i386",
    "amd64": "amd64",
    "arm/v5": "armel",
    "arm/v7": "armhf",
    "arm64": "arm64",
    "mips64le": "mips64el",
    "ppc64le": "ppc64el",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


def lock_debian(asked: Asking, platform: Platform, kept: Mapping[str, str], place: Workplace) -> LockedDebian:
    """Resolve the requested packages; versions that are `kept` stay as long as the archives have them."""
    outside = needed(place.outside, "an archive of Debian packages")
    answer = resolve(asked.names, Catalogue(texts_of(asked, platform, outside), kept), asked.without)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = list(pool.map(lambda one: _alternatives(one.deb, place, outside), answer.packages))
    links = alternatives.chosen({one.deb.name: known for one, known in zip(answer.packages, told, strict=True)})
    debs = tuple(_locked(one, links.get(one.deb.name, ())) for one in answer.packages)
    return LockedDebian(asked=asked.words, debs=debs, roots=answer.roots)


def texts_of(asked: Asking, platform: Platform, outside: Outside) -> Iterator[tuple[str, str]]:
    """Yield the indexes of all archives, each with the archive's address."""
    machine = f"{platform.architecture}/{platform.variant}".removesuffix("/")
    architecture = _ARCHITECTURES.get(machine) or _ARCHITECTURES.get(platform.architecture)
    if platform.os != "linux" or architecture is None:
        raise SourceError(f"Debian has no packages for {platform.os}/{machine}")
    for suite in suites(asked.archives, asked.keyring, outside.registries.environment):
        for text in indexes(suite, architecture, outside.downloads.fetcher, lambda: datetime.now(UTC)):
            yield suite.uri, text


def _alternatives(deb: Deb, place: Workplace, outside: Outside) -> list[Alternative]:
    """What the scripts of a package say of alternatives.

    A deb in the cache is always asked itself: what is remembered may come from bytes that no hash vouched for.
    """
    hashed, size = deb.fields["SHA256"], int(deb.fields["Size"])
    name = f"debs/{hashed}"
    kept = outside.downloads.path(hashed).exists()
    known = None if kept else place.records.read(name, list[Alternative])
    url = address(deb.uri, deb.fields["Filename"])
    place.records.write(f"found/{hashed}", url)
    if known is None:
        documents = control_of(url, Wanted(deb.fields["Filename"].rpartition("/")[2], hashed, size), outside)
        known = alternatives.read(documents.get("postinst", b""))
        place.records.write(name, known)
    return known


def control_of(url: str, wanted: Wanted, outside: Outside) -> dict[str, bytes]:
    """What a deb says of itself; no more of it is fetched than that, if that can be."""
    return control(outside.opened(wanted, url, from_start=True), wanted.name)


def _locked(one: Chosen, links: tuple[tuple[str, str], ...]) -> LockedDeb:
    told = one.deb.fields
    return LockedDeb(
        name=one.deb.name,
        version=one.deb.version,
        architecture=told["Architecture"],
        file=told["Filename"],
        sha256=told["SHA256"],
        size=int(told["Size"]),
        unpacked=int(told.get("Installed-Size", 0)) << 10,
        references=one.references,
        links=links,
    )
