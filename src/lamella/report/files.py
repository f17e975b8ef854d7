"""The files of layers: read from their tars, or from the packages that the layers will be made of.

Contents are compared by hash, so every file is read in full.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from itertools import starmap

from lamella.layers.split import part_entries
from lamella.oci.image import Body, Buffer, Layer, Sink
from lamella.package import Entry, Kind, Package
from lamella.pipeline.draft import Where
from lamella.pipeline.explain.bases import opened, place_of
from lamella.pipeline.explain.view import ImageView, LayerView
from lamella.pipeline.packages.fetching import entries_from, is_here
from lamella.pipeline.packages.programs import data_of
from lamella.pipeline.workplace import Workplace

WHITEOUT = ".wh."
"""Names with this prefix remove a file of a lower layer."""


class Sort(Enum):
    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    """Links, and whiteouts, which stand for removed files."""


@dataclass(frozen=True, slots=True)
class File:
    """A file at its place in the image; `package` is the id of its package, empty if unknown."""

    path: str
    sort: Sort
    size: int = 0
    digest: bytes = b""
    package: str = ""


Files = tuple[tuple[File, ...] | None, ...]
"""The files of each layer; None where they cannot be known here."""


Known = Mapping[str, tuple[File, ...]]
"""The files of layers that were read before, by the layers' identity."""


def files_of(view: ImageView, layers: Sequence[Layer | None], place: Workplace, known: Known) -> Files:
    """The files of an image. Reads the `layers` that are given; downloads no packages."""

    def look(one: LayerView, layer: Layer | None) -> tuple[File, ...] | None:
        return known[one.identity] if one.identity in known else _of_layer(one, layer, place)

    with ThreadPoolExecutor(place.threads) as pool:
        return tuple(pool.map(look, view.layers, layers))


def _of_layer(layer: LayerView, read: Layer | None, place: Workplace) -> tuple[File, ...] | None:
    if read:
        return tuple(_in_tar(layer, read.content.tar, place))
    packages = layer.packages
    if packages and all(_is_known(package) and is_here(package, place) for package in packages):
        return tuple(_of_packages(layer, place))
    return None


def _is_known(package: Package) -> bool:
    """Whether the place of a package is known, or can be found out."""
    return bool(package.path) or package.source not in ("files", "path")


def _of_packages(layer: LayerView, place: Workplace) -> Iterator[File]:
    give = entries_from(Where(), place)
    for part in layer.plan.parts if layer.plan else ():
        yield from starmap(_of_entry, ((entry, part.package) for entry in part_entries(part, give)))


def _of_entry(entry: Entry, package: Package) -> File:
    path = "/" + entry.path.strip(b"/").decode(errors="surrogateescape")
    if entry.kind is not Kind.FILE:
        return File(path, Sort.FOLDER if entry.kind is Kind.DIRECTORY else Sort.OTHER, 0, b"", package.id)
    with data_of(entry) as data:
        return File(path, Sort.FILE, entry.size, hashlib.sha256(data).digest(), package.id)


def _in_tar(layer: LayerView, tar: Body, place: Workplace) -> Iterator[File]:
    homes = _homes(layer.packages)
    name = layer.record.digest if layer.record else layer.name
    with opened(_telling(tar, layer, place), name) as archive:
        for member in archive:
            path = place_of(member)
            package = _package(path, homes)
            if not member.isfile() or path.rpartition("/")[2].startswith(WHITEOUT):
                yield File(path, Sort.FOLDER if member.isdir() else Sort.OTHER, 0, b"", package)
            else:
                yield File(path, Sort.FILE, member.size, _digest(archive, member), package)


def _digest(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    hashed = hashlib.sha256()
    file = archive.extractfile(member)
    while file and (block := file.read(1 << 20)):
        hashed.update(block)
    return hashed.digest()


def _homes(packages: Sequence[Package]) -> dict[str, str]:
    """The packages of a layer by their folder, for those that have a folder to themselves."""
    places = [os.path.normpath(package.at) for package in packages if package.at.strip("/")]
    return {home: one.id for one in packages if places.count(home := os.path.normpath(one.at)) == 1}


def _package(path: str, homes: dict[str, str]) -> str:
    while path and homes:
        if path in homes:
            return homes[path]
        path = path.rpartition("/")[0]
    return ""


def _telling(tar: Body, layer: LayerView, place: Workplace) -> Body:
    """The same bytes, reported to the workplace as they pass."""

    def give(sink: Sink) -> None:
        done, expected = 0, layer.record.tar_size if layer.record else 0

        def take(block: Buffer) -> None:
            nonlocal done
            sink(block)
            done += len(block)
            place.progress(layer.name, done, max(done + 1, expected))

        tar(take)
        place.progress(layer.name, done, done)

    return give
