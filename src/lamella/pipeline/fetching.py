"""Packages that lie elsewhere are fetched when their files are wanted, and no sooner."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamella.package import Entries, Entry, Package
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.workplace import Workplace, entries
from lamella.transport.downloads import Wanted

if TYPE_CHECKING:
    from lamella.sources.python.target import Target

FETCHED = ("pypi", "deb")
"""The sources whose packages are files that are fetched."""


class Recipe(msgspec.Struct, frozen=True):
    """What all recipes of files tell."""

    file: str
    size: int
    commit: str = ""


@dataclass(frozen=True)
class Missing:
    """A package, and the file or the commit that it comes from."""

    package: Package
    wanted: Wanted
    commit: str = ""
    is_source: bool = False


def fetch(packages: Iterable[Package], archives: Sequence[str], place: Workplace) -> None:
    """Sees to it that the files of `packages` are here; debs come from `archives`, if any are named."""
    missing = [_missing(one) for one in packages if one.source in FETCHED and not Path(one.path).exists()]
    if not missing:
        return
    outside = needed(place.outside, missing[0].package.id)
    sources = [one for one in missing if one.is_source]
    by_hash = {one.wanted.sha256: one for one in missing if not one.is_source}
    outside.downloads.fetch(
        [one.wanted for one in by_hash.values()],
        lambda lost: _addresses([by_hash[one.sha256] for one in lost], archives, place, outside),
    )
    addresses = _addresses(sources, archives, place, outside)
    for one in sources:
        _build(one, addresses.get(one.wanted.sha256, []), outside)


def fetched(archives: Sequence[str], place: Workplace) -> Entries:
    """Gives the files of any package; one that is not here is fetched first."""

    def give(package: Package) -> Iterator[Entry]:
        fetch([package], archives, place)
        return entries(package)

    return give


def _missing(package: Package) -> Missing:
    recipe = msgspec.json.decode(package.how, type=Recipe)
    path = Path(package.path)
    is_source = path.parent.name != "files"
    source = path.parent.name.partition("-")[0] if is_source else path.name
    return Missing(package, Wanted(recipe.file.rpartition("/")[2], source, recipe.size), recipe.commit, is_source)


def _build(missing: Missing, urls: Sequence[str], outside: Outside) -> None:
    from lamella.pipeline.building import Source, build
    from lamella.sources.python import wheel

    wanted = missing.wanted
    target = msgspec.json.decode(missing.package.how, type=wheel.Recipe).target
    build(Source(wanted.name, wanted.sha256, wanted.size, missing.commit), target, urls, outside)


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
        elif not one.commit:
            unknown.append(one.package)
    for sha256, urls in _in_indexes(unknown).items():
        found[sha256] += urls
    return found


def _in_archives(package: Package, archives: Sequence[str], outside: Outside) -> list[str]:
    from lamella.sources.debian.archives import address, suites

    file = msgspec.json.decode(package.how, type=Recipe).file
    found = suites(archives, "", outside.registries.environment)
    return [address(uri, file) for uri in dict.fromkeys(suite.uri for suite in found)]


def _in_indexes(packages: Sequence[Package]) -> dict[str, list[str]]:
    if not packages:
        return {}
    from lamella.sources.python import uv, wheel

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
