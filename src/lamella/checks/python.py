"""Python packages: whether what they require is present, and whether what their scripts call exists."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ENDINGS = (".py", "/__init__.py", ".so", "/__init__.so")


class Unmet(NamedTuple):
    """A requirement that nothing in the image meets; `there` is the version that is present, if there is one."""

    package: str
    requirement: str
    there: str


class Dangling(NamedTuple):
    """A script that calls a missing module."""

    package: str
    script: str
    module: str


def unmet(requires: Mapping[str, Sequence[Requirement]], versions: Mapping[str, str]) -> list[Unmet]:
    """The unmet requirements. `requires` is by package, `versions` by name."""
    found = []
    for package, wanted in sorted(requires.items()):
        for one in wanted:
            there = versions.get(canonicalize_name(one.name), "")
            if not there or not (one.url or one.specifier.contains(there, prereleases=True)):
                found.append(Unmet(package, str(one), there))
    return found


def dangling(scripts: Iterable[tuple[str, str, str]], files: Iterable[str], folder: str) -> list[Dangling]:
    """Those of `scripts` (package, name, what it calls) whose module is not among `files`, below `folder`."""
    there = {path.removeprefix(f"{folder}/") for path in files if path.startswith(f"{folder}/")}
    stems = {path.partition(".")[0] for path in there if path.endswith(".so")}
    found = []
    for package, script, called in scripts:
        module = called.partition(":")[0].strip()
        place = module.replace(".", "/")
        if place not in stems and not any(f"{place}{ending}" in there for ending in _ENDINGS):
            found.append(Dangling(package, script, module))
    return found
