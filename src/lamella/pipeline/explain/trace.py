"""Finds the files that differ between two contents of a package."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lamella.package import Package
from lamella.pipeline.workplace import Workplace
from lamella.sources import files
from lamella.sources.files import TreeFile


def changed_files(old: Package, new: Package, place: Workplace) -> Iterator[str]:
    """Yield a line for each file that was added, removed or changed; nothing if the old files are not remembered."""
    before, after = _tree(old, place), _tree(new, place)
    if before is None or after is None:
        return
    for path in sorted(before.keys() | after.keys()):
        is_folder = stat.S_ISDIR((after.get(path) or before[path]).mode)
        name = os.fsdecode(path) or f"the {'folder' if is_folder else 'file'} itself"
        if path not in before:
            yield f"+ {name}"
        elif path not in after:
            yield f"- {name}"
        elif (before[path].mode, before[path].what) != (after[path].mode, after[path].what):
            yield f"~ {name} ({_how(before[path], after[path])})"


def _how(before: TreeFile, after: TreeFile) -> str:
    if before.what == after.what:
        return f"mode {before.mode & 0o7777:04o}, now {after.mode & 0o7777:04o}"
    return f"{before.size} bytes, now {after.size}"


def _tree(package: Package, place: Workplace) -> dict[bytes, TreeFile] | None:
    """The files of a package: as remembered, or for a store path, as they are on disk."""
    content = package.content
    if package.source != "files":
        path = Path(package.path)
        if not package.path or not path.exists():
            return None
        content = files.look_at(path, "/", "", place.records).content
    found = place.records.read(f"trees/{content}", list[TreeFile])
    return {file.path: file for file in found} if found is not None else None
