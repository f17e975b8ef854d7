"""A year of real updates: what a user who pulls an image every week has to fetch, under one layering or another."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamella.closure import Closure, closure
from lamella.layering import NOTHING, Budget, Group, Previous, Strategy, learn
from lamella.oci.digest import sha256
from lamella.package import Package

COMFYUI = Path(__file__).parent / "data" / "comfyui-history.json"


def read_history(path: Path = COMFYUI) -> list[Closure]:
    """The closure of each week. A package's size is that of its wheel."""
    told = json.loads(path.read_text())
    roots = [re.sub(r"\[.*", "", root).lower() for root in told["roots"]]
    weeks = []
    for week in told["weeks"]:
        packages = [told["packages"][number] for number in week["packages"]]
        weeks.append(closure((_package(package) for package in packages), roots))
    return weeks


def _package(told: dict[str, object]) -> Package:
    name, deps = str(told["name"]), told["deps"]
    assert isinstance(deps, list)
    assert isinstance(told["size"], int)
    references = tuple(dep for dep in deps if dep != name)
    return Package(name, name, sha256(f"{told['file']} {told['sha256']}".encode()), told["size"], references)


def images(weeks: Sequence[Closure], strategy: Strategy, budget: Budget) -> Iterator[Previous]:
    """The image of each week, as `strategy` makes it from the one before."""
    image = NOTHING
    for week in weeks:
        image = Previous(tuple(strategy(week, budget, image)), learn(image, week))
        yield image


def moved(weeks: Sequence[Closure], strategy: Strategy, budget: Budget) -> int:
    """The bytes of all layers that were not in the image of the week before, from the second week on."""
    total = 0
    there: set[frozenset[str]] | None = None
    for image in images(weeks, strategy, budget):
        now = {_contents(layer): sum(package.size for package in layer) for layer in image.layers}
        if there is not None:
            total += sum(size for contents, size in now.items() if contents not in there)
        there = set(now)
    return total


def changed(weeks: Sequence[Closure]) -> int:
    """The bytes of all packages that were not there the week before: no layering can move less."""
    total = 0
    for before, now in zip(weeks, weeks[1:], strict=False):
        there = {package.content for package in before.packages}
        total += sum(package.size for package in now.packages if package.content not in there)
    return total


def _contents(layer: Group) -> frozenset[str]:
    return frozenset(package.content for package in layer)
