"""Every command that the pages show is run, and says what the pages say. `...` there stands for what may vary."""

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.real.registries import real_registry

if TYPE_CHECKING:
    from tests.real.nix import NixPackages
    from tests.real.programs import Docker

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = {"make demo", "make test", "make check", "make bench", "make docs"}
"""What CI runs itself."""


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in FENCE.finditer(page.read_text())]


def steps(block: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with what it says."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, said = part.partition("\n")
        yield command, said


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    with real_registry(tmp_path) as name:
        yield name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_shows_what_happens(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = blocks(page)
    env = {**os.environ, "LAMELLA_CACHE": str(tmp_path / "cache"), "PATH": f"{bin_folder()}:{os.environ['PATH']}"}
    folder = tmp_path / "work"
    if page.name == "README.md":
        shutil.copytree(ROOT / "examples" / "hello", folder)
    else:
        folder.mkdir()
    commands = "".join(text for kind, text in found if kind == "console")
    if "docker load" in commands:
        docker: Docker = request.getfixturevalue("docker")
        docker("image", "prune", "--all", "--force")
        env["DOCKER_HOST"] = docker.host
    if "$REGISTRY" in commands:
        env["REGISTRY"] = request.getfixturevalue("registry")
    if any("./result" in text for kind, text in found if kind == "toml") and commands:
        packages: NixPackages = request.getfixturevalue("packages")
        (folder / "result").symlink_to(packages.hello)
    checker = doctest.OutputChecker()
    for kind, text in found:
        if kind in ("toml", "python") and (name := re.match(r"# ([\w-]+\.(?:toml|py))\n", text)):
            (folder / name[1]).write_text(text)
        for command, expected in steps(text) if kind == "console" else ():
            ran = subprocess.run(command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, f"{command}\n{ran.stderr}"
            same = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert checker.check_output(expected, ran.stdout, same), f"{command}\n{ran.stdout}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_is_shown_that_is_not_run(page: Path) -> None:
    shown = [line for kind, text in blocks(page) if kind in ("sh", "bash", "shell") for line in text.splitlines()]
    assert {line.partition("#")[0].strip() for line in shown} <= SET_UP


def bin_folder() -> Path:
    """Where the command is installed that is tested."""
    return Path(sys.executable).parent
