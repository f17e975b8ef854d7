"""What pyproject.toml says, and what people read before they change something, is true."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lamella

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_USERS = set(EXTRAS) - {"all", "dev", "docs"}
OURS = {"lamella", "tests", "tools", "benchmarks"}
NOBODYS = {
    "compression",  # the standard library's, from Python 3.14 on
    "multidict",  # what aiohttp takes and gives
    "yarl",
}


def named(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(one).name)) for one in requirements} - {"lamella"}


def imported(folder: str) -> Iterator[str]:
    """Modules at the top, of others, that the code in a folder imports."""
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(["src"], FOR_USERS), (["src", "tests", "tools", "benchmarks"], {*FOR_USERS, "dev"})],
    ids=["users", "developers"],
)
def test_whatever_is_imported_is_asked_for(folders: list[str], extras: set[str]) -> None:
    asked = named(PROJECT["dependencies"]) | {name for extra in extras for name in named(EXTRAS[extra])}
    givers = packages_distributions()
    found = {name for folder in folders for name in imported(folder)} - sys.stdlib_module_names - OURS - NOBODYS
    assert len(found) > 5
    assert {name for name in found if not asked & {canonicalize_name(one) for one in givers.get(name, [])}} == set()


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w.,\- ]+) \| (.+) \|$", page, re.MULTILINE)
    told = {str(canonicalize_name(name)): reason for names, reason in rows for name in names.split(", ")}
    asked = named(PROJECT["dependencies"]).union(*map(named, EXTRAS.values())) | {"hatchling"}
    assert set(told) - {"at run time", "for development", "-"} == asked
    for extra in FOR_USERS:
        assert all(f"`{extra}`" in told[name] for name in named(EXTRAS[extra]))


def test_all_extras_are_in_all() -> None:
    assert Requirement(EXTRAS["all"][0]).extras == FOR_USERS


def test_the_version_is_written_once() -> None:
    assert lamella.__version__ == version("lamella")
    [heading] = re.findall(rf"^## {re.escape(PROJECT['version'])} - \d{{4}}-\d\d-\d\d$", changelog(), re.MULTILINE)
    assert changelog().index("## Unreleased\n") < changelog().index(heading)


def changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()


def test_what_contributors_are_told_to_run_and_read_is_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"`make ([a-z-]+)`", page))
    assert len(targets) > 5
    assert {target for target in targets if f"\n{target}:" not in makefile} == set()
    files = re.findall(r"`((?:src|tests|tools|docs)/[^` ]*)`", page)
    assert len(files) > 5
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_hooks_run_what_the_environment_has() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]:
        folder, program = hook["entry"].split()[0].rsplit("/", 1)
        assert (repository["repo"], hook["language"], folder) == ("local", "system", ".venv/bin")
        assert program in named(EXTRAS["dev"])
