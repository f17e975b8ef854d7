"""What a run works with: its cache, its number of threads, and where it reports progress."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lamella.cache.blobs import Blobs
from lamella.cache.folder import Folder
from lamella.cache.records import Records
from lamella.images.document import ImageItem
from lamella.oci.image import Layer, Progress, silent
from lamella.package import Entry, Package
from lamella.plan import Key
from lamella.sources import tree
from lamella.staging import sweep

if TYPE_CHECKING:
    from lamella.pipeline.outside import Outside


@dataclass(frozen=True)
class Workplace:
    records: Records
    blobs: Blobs
    keep_blobs: bool = False
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    progress: Progress = silent
    outside: "Outside | None" = None
    remembered: Mapping[Key, Layer] = field(default_factory=dict)
    """Layers of images in registries, by the keys they were made under."""
    previous: ImageItem | None = None
    """The previous image, from a registry."""


def workplace(folder: Path, mended: Callable[[str], None] = lambda _: None) -> Workplace:
    """Return a workplace with the cache in `folder`; `mended` is called with items that were damaged and removed.

    Leftovers of killed runs are removed.
    """
    sweep(folder)
    return Workplace(Records(Folder(folder), mended), Blobs(folder, mended))


def entries(package: Package) -> Iterator[Entry]:
    """Yield the files of a package that is on this machine."""
    if package.source == "pypi":
        from lamella.sources.python import wheel

        return wheel.entries(package)
    if package.source == "deb":
        from lamella.sources.debian import deb

        return deb.entries(package)
    if package.source == "nix" and package.how:
        from lamella.sources.nix import nar

        return nar.entries(package)
    return tree.walk(os.fsencode(package.path), os.fsencode(package.at), package.how)
