"""Downloads packages when their files are needed, and not before."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from lamella.oci.typed import decode_as
from lamella.package import Entries, Entry, Package
from lamella.pipeline.draft import Where
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.packages import linking, mounted
from lamella.pipeline.workplace import Workplace, entries
from lamella.sources.locked import Commit, InArchive, Sha256
from lamella.sources.tree import SourceError
from lamella.transport.downloads import Wanted

if TYPE_CHECKING:
    from lamella.sources.python.target import Target

T = TypeVar("T")
FETCHED = ("pypi", "deb")
"""The sources whose packages are downloaded files."""


class Recipe(msgspec.Struct, frozen=True):
    """What the recipes of all downloaded files have."""

    file: InArchive
    size: int
    sha256: Sha256 = ""
    commit: Commit = ""

    @property
    def what(self) -> str:
        """The hash of the file, or the commit."""
        return self.sha256 or self.commit

    @property
    def is_source(self) -> bool:
        """Whether a wheel has to be built from it first."""
        return not self.file.endswith((".whl", ".deb"))


@dataclass(frozen=True)
class Missing:
    """A package whose file is not on this machine."""

    package: Package
    recipe: Recipe

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.recipe.file.rpartition("/")[2], self.recipe.what, self.recipe.size)


def here(package: Package, place: Workplace) -> Package:
    """Return the package with the path where its files are on this machine, or will be after the download."""
    if package.source == "nix":
        from lamella.pipeline.packages.nars import as_nar

        return as_nar(package, place)
    if package.source not in FETCHED:
        return package
    downloads = needed(place.outside, package.id).downloads
    recipe = _recipe(package, Recipe)
    if not recipe.is_source:
        return replace(package, path=str(downloads.path(recipe.what)))
    from lamella.sources.python.build import built_path

    return replace(package, path=str(built_path(downloads.folder, recipe.what, _target(package))))


def is_here(package: Package, place: Workplace) -> bool:
    """Whether the files of a package can be read without a download."""
    return all(_is_here(one, place) for one in _read(package, place))


def _is_here(package: Package, place: Workplace) -> bool:
    if package.source == "nix":
        from lamella.pipeline.packages.nars import is_kept

        return is_kept(package, place)
    return Path(here(package, place).path).exists()


def _read(package: Package, place: Workplace) -> list[Package]:
    """The packages that are read for the files of this one."""
    if package.source == mounted.SOURCE:
        return mounted.paths_of(package)
    return linking.unread(package, place) if package.source == linking.SOURCE else [package]


def fetch(packages: Iterable[Package], where: Where, place: Workplace) -> None:
    """Download the files of `packages` that are not here; `where` says from where, if the spec does."""
    wanted = list({one.id: one for package in packages for one in _read(package, place)}.values())
    lacking = [one for one in wanted if one.source in FETCHED and not is_here(one, place)]
    nars = [one for one in wanted if one.source == "nix" and not is_here(one, place)]
    if nars:
        from lamella.pipeline.packages.nars import fetch_nars

        fetch_nars(nars, where.caches, place)
    if not lacking:
        return
    outside = needed(place.outside, lacking[0].id)
    recipes = [_recipe(one, Recipe) for one in lacking]
    missing = {found.what: Missing(one, found) for one, found in zip(lacking, recipes, strict=True)}
    sources = [one for one in missing.values() if one.recipe.is_source]
    _check_sources(sources, where, outside)
    outside.downloads.fetch(
        [one.wanted for one in missing.values() if not one.recipe.is_source],
        lambda lost: _addresses([missing[one.sha256] for one in lost], where, place, outside),
    )
    addresses = _addresses(sources, where, place, outside)
    for one in sources:
        _build(one, addresses.get(one.recipe.what, []), outside)


def _check_sources(sources: Sequence[Missing], where: Where, outside: Outside) -> None:
    from lamella.pipeline.packages.building import may_build

    if sources and not may_build(where.builds, outside):
        one = sources[0]
        raise SourceError(
            f"{one.package.id} is only available as source ({one.recipe.file}), and building it would run its code, "
            "which is not allowed here; build its spec with build = true in [python] (and do not set UV_NO_BUILD)"
        )


def entries_from(where: Where, place: Workplace) -> Entries:
    """Return a function that gives the files of any package, and downloads it first if needed."""

    def give(package: Package) -> Iterator[Entry]:
        fetch([package], where, place)
        if package.source == linking.SOURCE:
            return linking.entries(package, give, place)
        if package.source == mounted.SOURCE:
            return mounted.entries(package, give)
        return entries(here(package, place))

    return give


def _target(package: Package) -> "Target":
    from lamella.sources.python.recipe import Recipe as WheelRecipe

    return _recipe(package, WheelRecipe).target


def _recipe(package: Package, kind: type[T]) -> T:
    """The recipe of a package's file. It may come from an image that is not trusted."""
    try:
        return decode_as(package.how, kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{package.id} does not say which file it is: {error}") from error


def _build(missing: Missing, urls: Sequence[str], outside: Outside) -> None:
    from lamella.pipeline.packages.building import Source, build

    recipe = missing.recipe
    source = Source(recipe.file, recipe.what, recipe.size, recipe.commit)
    build(source, _target(missing.package), urls, outside)


def _addresses(missing: Sequence[Missing], where: Where, place: Workplace, outside: Outside) -> dict[str, list[str]]:
    """Where files may be: where they were when they were locked, and where indexes and archives have them now."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    unknown = []
    for one in missing:
        url = place.records.read(f"found/{one.recipe.what}", str)
        if url:
            found[one.recipe.what].append(url)
        elif one.package.source == "deb":
            found[one.recipe.what] += _in_archives(one.recipe.file, where.archives, outside)
        elif not one.recipe.commit:
            unknown.append(one.package)
    for sha256, urls in _in_indexes(unknown).items():
        found[sha256] += urls
    return found


def _in_archives(file: str, archives: Sequence[str], outside: Outside) -> list[str]:
    from lamella.sources.debian.archives import address
    from lamella.sources.debian.suites import suites

    found = suites(archives, "", outside.registries.environment)
    return [address(uri, file) for uri in dict.fromkeys(suite.uri for suite in found)]


def _in_indexes(packages: Sequence[Package]) -> dict[str, list[str]]:
    """Where the files of `packages` are; only for those that will be built, code may run."""
    if not packages:
        return {}
    from lamella.sources.python import uv

    found: dict[str, list[str]] = {}
    alike: dict[tuple[Target, bool], list[str]] = {}
    for package in packages:
        kind = (_target(package), _recipe(package, Recipe).is_source)
        alike.setdefault(kind, []).append(f"{package.name}=={package.id.removeprefix(f'{package.name}-')}")
    for (target, builds), lines in alike.items():
        for candidate in uv.resolve(uv.Question(lines, target, Path(), only_these=True, builds=builds)):
            for file in candidate.files:
                found.setdefault(file.sha256, []).append(file.url)
    return found
