"""What a run works with: the cache it remembers in, how many threads it may use, and whom it tells of its progress."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lamella.cache.blobs import Blobs
from lamella.cache.bucket import Folder
from lamella.cache.records import Records
from lamella.oci.image import Progress, silent
from lamella.package import Entry, Package
from lamella.sources import tree
from lamella.staging import sweep


@dataclass(frozen=True)
class Workplace:
    records: Records
    blobs: Blobs
    keep_blobs: bool = False
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    progress: Progress = silent


def workplace(folder: Path, mended: Callable[[str], None] = lambda _: None) -> Workplace:
    """A workplace whose cache is in `folder`; `mended` is told what was found damaged and dropped.

    What killed runs have left there is removed.
    """
    sweep(folder)
    return Workplace(Records(Folder(folder), mended), Blobs(folder, mended))


def entries(package: Package) -> Iterator[Entry]:
    """The files of a package that lies on this machine."""
    return tree.walk(os.fsencode(package.path), os.fsencode(package.at), package.ignore)
