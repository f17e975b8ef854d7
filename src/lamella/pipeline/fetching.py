"""Packages that lie elsewhere are fetched when their files are wanted, and no sooner."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamella.package import Package
from lamella.pipeline.outside import needed
from lamella.pipeline.workplace import Workplace
from lamella.transport.downloads import Wanted

if TYPE_CHECKING:
    from lamella.sources.target import Target


def fetch(packages: Iterable[Package], place: Workplace) -> None:
    """Sees to it that the files of `packages` are here."""
    missing = {Path(one.path).name: one for one in packages if one.source == "pypi" and not Path(one.path).exists()}
    if not missing:
        return
    from lamella.sources.wheel import Recipe

    downloads = needed(place.outside, next(iter(missing.values())).id).downloads
    recipes = {sha256: msgspec.json.decode(one.how, type=Recipe) for sha256, one in missing.items()}
    wanted = [Wanted(recipes[sha256].file, sha256, recipes[sha256].size) for sha256 in missing]
    downloads.fetch(wanted, lambda lost: _addresses(lost, missing, place))


def _addresses(wanted: Sequence[Wanted], packages: Mapping[str, Package], place: Workplace) -> dict[str, list[str]]:
    """Where files may be: where they were seen when they were locked, or else where the indexes have them now."""
    seen = {one.sha256: place.records.read(f"found/{one.sha256}", str) for one in wanted}
    found = {sha256: [url] for sha256, url in seen.items() if url}
    unknown = [packages[one.sha256] for one in wanted if one.sha256 not in found]
    return found | _asked_of_indexes(unknown)


def _asked_of_indexes(packages: Sequence[Package]) -> dict[str, list[str]]:
    from lamella.sources import uv
    from lamella.sources.wheel import Recipe

    found: dict[str, list[str]] = {}
    by_target: dict[Target, list[Package]] = {}
    for package in packages:
        by_target.setdefault(msgspec.json.decode(package.how, type=Recipe).target, []).append(package)
    for target, group in by_target.items():
        lines = [f"{one.name}=={one.id.removeprefix(f'{one.name}-')}" for one in group]
        for candidate in uv.resolve(uv.Question(lines, target, Path(), only_these=True)):
            for file in candidate.files:
                found.setdefault(file.sha256, []).append(file.url)
    return found
