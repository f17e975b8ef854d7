"""Collects what an image contains for an SBOM: from its plan or its notes, and from packages on this machine."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from lamella.oci.digest import sha256
from lamella.oci.typed import decode_as
from lamella.oci.wire import EPOCH
from lamella.package import Package
from lamella.pipeline.explain.view import ImageView
from lamella.pipeline.packages import linking, mounted
from lamella.pipeline.packages.fetching import here, is_here
from lamella.pipeline.workplace import Workplace
from lamella.sbom.contents import Component, Contents, Part, component

_LICENCE = re.compile(r"^License:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_GNU = re.compile(r"([LA]?GPL|GFDL)-([123])(\.\d)?(\+)?")


class _Told(msgspec.Struct, frozen=True):
    """What recipes say about the file that a package came in."""

    sha256: str = ""
    licence: str = ""


def contents_of(view: ImageView, place: Workplace) -> Contents:
    """Return the contents of an image; of a base's layers only the digests are known."""
    layers = tuple(
        Part(
            layer.name or f"layer {number}",
            layer.record.digest if layer.record else "",
            tuple(_component(package, place) for package in _real(layer.packages)),
        )
        for number, layer in enumerate(view.layers, 1)
    )
    told = "\n".join(f"{layer.digest} {' '.join(one.id for one in layer.components)}" for layer in layers)
    return Contents(view.name, view.tag, sha256(told.encode()), view.created or EPOCH, layers)


def _real(packages: Iterable[Package]) -> Iterator[Package]:
    """The packages from sources, without those that are generated here; for mounts, each path."""
    for package in packages:
        if package.source == mounted.SOURCE:
            yield from mounted.paths_of(package)
        elif package.source != linking.SOURCE:
            yield package


def _component(package: Package, place: Workplace) -> Component:
    told = _Told()
    if package.how and package.source in ("pypi", "deb"):
        told = decode_as(package.how, _Told)
    licence = told.licence
    if package.source == "deb" and place.outside and is_here(package, place):
        licence = _of_deb(here(package, place), place)
    return component(package, told.sha256, licence)


def _spdx_name(name: str) -> str:
    """The SPDX name of a licence: Debian's `GPL-2+` is `GPL-2.0-or-later`."""
    match = _GNU.fullmatch(name.strip())
    if match:
        return f"{match[1]}-{match[2]}{match[3] or '.0'}-{'or-later' if match[4] else 'only'}"
    plain = name.strip().replace(" or ", " OR ").replace(" and ", " AND ")
    return {"Expat": "MIT", "zlib": "Zlib"}.get(plain, f"({plain})" if " OR " in plain else plain)


def _of_deb(package: Package, place: Workplace) -> str:
    """The licences in a deb's copyright file, if that is machine-readable."""
    from lamella.sources.debian import deb

    name = f"licences/{package.content}"
    known = place.records.read(name, str)
    if known is None:
        wanted = f"/usr/share/doc/{package.name}/copyright".encode()
        known = ""
        for entry in deb.entries(package):
            if entry.path == wanted and callable(entry.content):
                with entry.content() as file:
                    text = file.read(entry.size).decode("utf-8", "replace")
                found = set(map(_spdx_name, _LICENCE.findall(text))) if text.startswith("Format:") else set()
                known = " AND ".join(sorted(found))
        place.records.write(name, known)
    return known
