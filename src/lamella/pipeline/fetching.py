"""Packages that lie elsewhere are fetched when their files are wanted, and no sooner."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamella.package import Package
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.workplace import Workplace
from lamella.transport.downloads import Wanted

if TYPE_CHECKING:
    from lamella.sources.target import Target

FETCHED = ("pypi", "deb")
"""The sources whose packages are files that are fetched."""


class Recipe(msgspec.Struct, frozen=True):
    """What all recipes of files tell."""

    file: str
    size: int


@dataclass(frozen=True)
class Missing:
    """A package, and the file that it is."""

    package: Package
    wanted: Wanted


def fetch(packages: Iterable[Package], archives: Sequence[str], place: Workplace) -> None:
    """Sees to it that the files of `packages` are here; debs come from `archives`, if any are named."""
    missing = [_missing(one) for one in packages if one.source in FETCHED and not Path(one.path).exists()]
    if missing:
        outside = needed(place.outside, missing[0].package.id)
        by_hash = {one.wanted.sha256: one for one in missing}
        outside.downloads.fetch(
            [one.wanted for one in missing],
            lambda lost: _addresses([by_hash[one.sha256] for one in lost], archives, place, outside),
        )


def _missing(package: Package) -> Missing:
    recipe = msgspec.json.decode(package.how, type=Recipe)
    return Missing(package, Wanted(recipe.file.rpartition("/")[2], Path(package.path).name, recipe.size))


def _addresses(
    missing: Sequence[Missing], archives: Sequence[str], place: Workplace, outside: Outside
) -> dict[str, list[str]]:
    """Where files may be: where they were seen when they were locked, and where indexes and archives have them now."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    unknown = []
    for one in missing:
        url = place.records.read(f"found/{one.wanted.sha256}", str)
        if url:
            found[one.wanted.sha256].append(url)
        elif one.package.source == "deb":
            found[one.wanted.sha256] += _in_archives(one.package, archives, outside)
        else:
            unknown.append(one.package)
    for sha256, urls in _in_indexes(unknown).items():
        found[sha256] += urls
    return found


def _in_archives(package: Package, archives: Sequence[str], outside: Outside) -> list[str]:
    from lamella.sources.debian.archives import suites

    file = msgspec.json.decode(package.how, type=Recipe).file
    found = suites(archives, "", outside.registries.environment)
    return [f"{uri}/{file}" for uri in dict.fromkeys(suite.uri for suite in found)]


def _in_indexes(packages: Sequence[Package]) -> dict[str, list[str]]:
    if not packages:
        return {}
    from lamella.sources import uv, wheel

    found: dict[str, list[str]] = {}
    by_target: dict[Target, list[str]] = {}
    for package in packages:
        target = msgspec.json.decode(package.how, type=wheel.Recipe).target
        by_target.setdefault(target, []).append(f"{package.name}=={package.id.removeprefix(f'{package.name}-')}")
    for target, lines in by_target.items():
        for candidate in uv.resolve(uv.Question(lines, target, Path(), only_these=True)):
            for file in candidate.files:
                found.setdefault(file.sha256, []).append(file.url)
    return found
