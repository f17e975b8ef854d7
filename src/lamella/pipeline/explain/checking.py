"""`check`: finds what would fail when the image runs, from the files of its packages."""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from packaging.requirements import Requirement

from lamella.checks import libraries, python
from lamella.checks.elf import Elf
from lamella.checks.libraries import Program
from lamella.layers.split import part_entries
from lamella.oci.typed import decode_as
from lamella.package import Entry, Kind, Package
from lamella.pipeline.draft import Draft
from lamella.pipeline.explain.bases import names_in
from lamella.pipeline.explain.holders import holders
from lamella.pipeline.packages import linking, mounted
from lamella.pipeline.packages.fetching import fetch, here
from lamella.pipeline.packages.programs import data_of, elf_of
from lamella.pipeline.workplace import Workplace, entries
from lamella.plan import Part
from lamella.sources.python.pypi import required
from lamella.sources.python.recipe import Recipe
from lamella.sources.python.wheel import Wheel, wheel_of, without_bytecode

_STDLIB = re.compile(r"/lib/python(\d+\.\d+)/os\.py$")


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: in which packages, and in words."""

    kind: str
    packages: tuple[str, ...]
    text: str
    about: str = ""
    """The library, module or path concerned."""


@dataclass(frozen=True)
class Report:
    """The problems, and how much was checked."""

    problems: tuple[Problem, ...]
    packages: int
    files: int
    programs: int


@dataclass
class _Seen:
    """What is in the image: for each path its part (None for the base) and its entry, without bytes."""

    files: dict[str, tuple[Part | None, Entry]] = field(default_factory=dict)
    clashes: list[Problem] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {path.rpartition("/")[2] for path in self.files}


def check(draft: Draft, place: Workplace) -> Report:
    """Check the image of `draft`. Missing packages are downloaded."""
    whole = [part for layer in draft.layers for part in layer.plan.parts]
    planned = [part for part in whole if part.package.source not in (linking.SOURCE, mounted.SOURCE)]
    fetch([part.package for part in planned], draft.where, place)
    parts = [replace(part, package=_here(part.package, place)) for part in planned]
    seen = _Seen(files={path: (None, Entry(path.encode(), Kind.FILE, 0)) for path in names_in(draft.base)})
    for part in parts:
        _take(part, seen)
    with ThreadPoolExecutor(place.threads) as pool:
        for found in pool.map(lambda part: _programs(part, place), parts):
            seen.programs += found
    packages = [part.package for part in parts]
    problems = [*seen.clashes, *_of_libraries(seen, draft, place), *_of_python(packages, seen)]
    return Report(tuple(problems), len(packages), len(seen.files), len(seen.programs))


def _here(package: Package, place: Workplace) -> Package:
    found = here(package, place)
    return without_bytecode(found) if found.source == "pypi" else found


def _take(part: Part, seen: _Seen) -> None:
    """Add the files of `part`; two different files at one place are a problem."""
    package = part.package
    for entry in part_entries(part, entries):
        if entry.kind is Kind.DIRECTORY:
            continue
        path = entry.path.decode("utf-8", "surrogateescape")
        owner, other = seen.files.get(path, (None, entry))
        if owner and package.source != "files" and not _same(owner, other, entry):
            text = f"{owner.package.id} and {package.id} have different files at {path}"
            seen.clashes.append(Problem("conflict", (owner.package.id, package.id), text, path))
        seen.files[path] = (part, entry._replace(content=None))


def _same(owner: Part, one: Entry, other: Entry) -> bool:
    """Whether two packages have the same at a place. Files are opened again, as too many would stay open."""
    if (one.kind, one.size, one.target) != (other.kind, other.size, other.target):
        return False
    if one.kind is not Kind.FILE:
        return True
    opened = next(entry for entry in part_entries(owner, entries) if entry.path == one.path)
    with data_of(opened) as first, data_of(other) as second:
        return bytes(first) == bytes(second)


def _programs(part: Part, place: Workplace) -> list[Program]:
    """The ELF files of a package, which are remembered."""
    name = f"elf/{part.package.content}"
    known = place.records.read(name, list[tuple[str, Elf]])
    if known is None:
        known = [found for entry in entries(part.package) if (found := elf_of(entry))]
        place.records.write(name, known)
    return [Program(path, part.package.id, one) for path, one in known]


def _of_libraries(seen: _Seen, draft: Draft, place: Workplace) -> Iterator[Problem]:
    platform = draft.platform
    lost = libraries.missing(seen.programs, seen.names)
    names = {missing.library: libraries.debian_names(missing.library) for missing in lost}
    known = holders(names, draft.where.archives, platform, place.outside) if lost else {}
    for missing in lost:
        package, path = missing.users[0]
        more = f" and {len(missing.users) - 1} more need" if len(missing.users) > 1 else " needs"
        hint = f"; the deb {names[missing.library][0]} may have it"
        if known is not None:
            hint = f"; the deb {known[missing.library]} has it" if missing.library in known else ""
        text = f"{package}{more} {missing.library}, which is not in the image ({path}){hint}"
        yield Problem("library", tuple(user for user, _ in missing.users), text, missing.library)
    told = set()
    for one in libraries.foreign(seen.programs, platform.architecture):
        if one.package not in told:
            told.add(one.package)
            text = f"{one.package} is for {one.elf.machine}, but the image is for {platform.architecture} ({one.path})"
            yield Problem("machine", (one.package,), text)


def _of_python(packages: Sequence[Package], seen: _Seen) -> Iterator[Problem]:
    wheels = {one: decode_as(one.how, Recipe) for one in packages if one.source == "pypi"}
    if not wheels:
        return
    opened = {one: wheel_of(one) for one in wheels}
    yield from _of_interpreter(wheels, seen)
    versions = {one.name: one.id.removeprefix(f"{one.name}-") for one in wheels}
    requires = {one.id: _requires(opened[one], recipe) for one, recipe in wheels.items()}
    for unmet in python.unmet(requires, versions):
        there = f"but the image has {unmet.there}" if unmet.there else "which is not in the image"
        yield Problem("requirement", (unmet.package,), f"{unmet.package} requires {unmet.requirement}, {there}")
    scripts = [(one.id, name, called) for one in wheels for name, called in opened[one].scripts().items()]
    folder = next(iter(wheels.values())).scheme.packages
    for lost in python.dangling(scripts, seen.files, folder):
        text = f"the script {lost.script} of {lost.package} calls {lost.module}, which is not in the image"
        yield Problem("script", (lost.package,), text, lost.module)


def _requires(wheel: Wheel, recipe: Recipe) -> list[Requirement]:
    return [one for one in required(wheel) if recipe.target.takes(one.marker)]


def _of_interpreter(wheels: dict[Package, Recipe], seen: _Seen) -> Iterator[Problem]:
    """Whether the image has the Python that the packages are for."""
    scheme = next(iter(wheels.values())).scheme
    has = sorted({match[1] for path in seen.files if (match := _STDLIB.search(path))})
    names = {os.path.normpath(path) for path in seen.files}
    if scheme.interpreter not in names and f"/usr{scheme.interpreter}" not in names:
        text = f"the interpreter {scheme.interpreter}, which scripts start with, is not in the image"
        yield Problem("interpreter", (), text, "python")
    if scheme.version not in has:
        told = f"the image has Python {', '.join(has)}" if has else "the image has no Python"
        text = f"the packages are for Python {scheme.version}, but {told}"
        yield Problem("interpreter", (), text, "python")
    for one, recipe in wheels.items():
        if recipe.file.endswith(".whl") and recipe.target.rank(recipe.file) is None:
            yield Problem("tags", (one.id,), f"{recipe.file} does not run on Python {recipe.target.version}")


def modules(draft: Draft, place: Workplace) -> tuple[list[str], str]:
    """Return the top-level modules of the Python packages, and the interpreter to import them with."""
    packages = [package for layer in draft.layers for package in layer.plan.packages if package.source == "pypi"]
    names = {name for package in packages for name in wheel_of(here(package, place)).top_levels()}
    if not packages:
        return [], ""
    return sorted(names), decode_as(packages[0].how, Recipe).scheme.interpreter
