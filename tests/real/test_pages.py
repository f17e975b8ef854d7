"""Every command that the pages show is run, and says what the pages say. `...` there stands for what may vary.

One that is shown with an error (`lamella: ...`) has to fail with it; all others have to succeed.
"""

import contextlib
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
from tests.real.nix import DATA
from tests.real.programs import run
from tests.real.registries import guarded_registry, real_registry
from tests.served import served

from lamella.spec.reader import read

if TYPE_CHECKING:
    from tests.real.library import Library
    from tests.real.nix import NixPackages
    from tests.real.programs import Docker

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = {"make demo", "make test", "make check", "make bench", "make docs"}
"""What CI runs itself."""
SERVE = {"lamella serve", "lamella serve --config server.toml"}
"""What runs while a page shows how a server is used; its settings are those that the page shows."""
SERVER = "localhost:8080"
SERVED = ("/srv/images", "/srv/lamella")
"""Where a server has its specs, and all else."""
BUCKET = re.compile(r'^bucket = "(/.*)"$', re.MULTILINE)
REFUSED = re.compile(r"^lamella: ", re.MULTILINE)
USUAL = '[[source]]\nname = "deb"\nkind = "deb"\nplatforms = ["linux/amd64"]\n'


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


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


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    with guarded_registry(tmp_path) as name:
        yield name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_page_shows_what_happens(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = [(kind, with_folders_here(text, tmp_path)) for kind, text in blocks(page)]
    env = {**os.environ, "LAMELLA_CACHE": str(tmp_path / "cache"), "PATH": f"{bin_folder()}:{os.environ['PATH']}"}
    folder = tmp_path / "work"
    if page == PAGES[0]:
        shutil.copytree(ROOT / "examples" / "hello", folder)
    else:
        folder.mkdir()
    commands = "".join(text for kind, text in found if kind == "console")
    if "examples/" in commands:
        shutil.copytree(ROOT / "examples", folder / "examples")
    if re.search("(docker|lamella) (load|run)", commands):
        docker: Docker = request.getfixturevalue("docker")
        docker("image", "prune", "--all", "--force")
        env["DOCKER_HOST"] = docker.host
    if any(kind == "nix" for kind, _ in found) or "nix copy" in commands:
        env["NIX_CONF_DIR"] = str(DATA)
    if "registry.crt" in commands:
        env["REGISTRY"] = request.getfixturevalue("guarded")
        shutil.copy(tmp_path / "server.crt", folder / "registry.crt")
    elif "$REGISTRY" in commands or any("localhost:5000" in text for kind, text in found if kind == "nix"):
        env["REGISTRY"] = request.getfixturevalue("registry")
    given = commands if SERVER in commands else "".join(text for kind, text in found if kind == "toml")
    if "./result" in given and commands:
        packages: NixPackages = request.getfixturevalue("packages")
        (folder / "result").symlink_to(packages.hello)
    with server_of(page, found, commands, tmp_path) as host:
        show([(kind, text.replace(SERVER, host)) for kind, text in found], folder, env, request)


@contextlib.contextmanager
def server_of(page: Path, found: list[tuple[str, str]], commands: str, folder: Path) -> Iterator[str]:
    """Where the server of a page is, if it has one."""
    if SERVER not in commands:
        yield SERVER
        return
    shown = [text for kind, text in found if kind == "toml" and text.startswith("# server.toml\n")]
    config = shown[0] if shown else USUAL
    bucket = [argument for match in BUCKET.finditer(config) for argument in ("--bucket", match[1])]
    with served(folder / "server", *bucket, config=config, environment={"NIX_CONF_DIR": str(DATA)}) as server:
        yield server.host


def with_folders_here(text: str, folder: Path) -> str:
    """What a page says, with folders of the test in the place of those of a server."""
    for name in SERVED:
        text = text.replace(name, str(folder / Path(name).name))
    return text


def show(found: list[tuple[str, str]], folder: Path, env: dict[str, str], request: pytest.FixtureRequest) -> None:
    """Writes the files that a page shows, and runs its commands."""
    checker = doctest.OutputChecker()
    for kind, text in found:
        if kind in ("toml", "python", "nix") and (name := re.match(r"# ([\w-]+\.(?:toml|py|nix))\n", text)):
            (folder / name[1]).write_text(text if kind != "nix" else with_inputs_here(text, request))
        for command, expected in steps(text) if kind == "console" else ():
            ran = subprocess.run(command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)
            refused = bool(REFUSED.search(expected))
            assert bool(ran.returncode) == refused, f"{command}\n{ran.stderr}"
            said = ran.stdout + ran.stderr if refused else ran.stdout
            same = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert checker.check_output(expected, said, same), f"{command}\n{said}"


def with_inputs_here(text: str, request: pytest.FixtureRequest) -> str:
    """A flake with the tests' packages, this checkout and the tests' registry in the place of what is elsewhere."""
    if "inputs." not in text:
        return text
    nix: Library = request.getfixturevalue("nix")
    text = re.sub(r'"github:NixOS/nixpkgs[^"]*"', f'"path:{nix.folder}/nixpkgs"', text)
    text = re.sub(r'"github:OWNER/lamella"', f'"path:{nix.folder}/lamella"', text)
    return text.replace("localhost:5000", request.getfixturevalue("registry") if "localhost:5000" in text else "")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_stands_before_and_after_is_nix(page: Path, tmp_path: Path) -> None:
    for number, (kind, text) in enumerate(blocks(page)):
        if kind == "nix":
            (tmp_path / f"{number}.nix").write_text(text)
            run("nix-instantiate", "--parse", tmp_path / f"{number}.nix")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_spec_can_be_read(page: Path, tmp_path: Path) -> None:
    for number, (kind, text) in enumerate(blocks(page)):
        if kind == "toml" and re.match(r'# [\w-]+\.toml\nname = "', text):
            (tmp_path / f"{number}.toml").write_text(text)
            assert read(tmp_path / f"{number}.toml").image.name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_is_shown_that_is_not_run(page: Path) -> None:
    shown = [line for kind, text in blocks(page) if kind in ("sh", "bash", "shell") for line in text.splitlines()]
    assert {line.partition("#")[0].strip() for line in shown} <= SET_UP | SERVE


def bin_folder() -> Path:
    """Where the command is installed that is tested."""
    return Path(sys.executable).parent
