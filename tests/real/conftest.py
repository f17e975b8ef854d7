import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.library import Library, library
from tests.real.nix import NixPackages, nix_packages
from tests.real.programs import Containerd, Docker, Podman, containerd_daemon, docker_daemon, run


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with docker_daemon(tmp_path_factory.mktemp("docker")) as docker:
        yield docker


@pytest.fixture(scope="session")
def containerd() -> Iterator[Containerd]:
    with tempfile.TemporaryDirectory() as folder, containerd_daemon(Path(folder)) as containerd:
        yield containerd


@pytest.fixture
def podman() -> Iterator[Podman]:
    with tempfile.TemporaryDirectory() as folder:
        yield Podman(Path(folder))
        subprocess.run(["umount", Path(folder, "root", "overlay")], capture_output=True, check=False)


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> NixPackages:
    debs = pytestconfig.rootpath / ".pytest_cache" / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    return nix_packages(debs)


@pytest.fixture(scope="session")
def nix(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Library:
    debs = pytestconfig.rootpath / ".pytest_cache" / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    return library(tmp_path_factory.mktemp("library"), debs)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a cache of Nix that is empty, and a key for it."""
    folder = tmp_path / "work"
    (folder / "cache").mkdir(parents=True)
    run("nix-store", "--generate-binary-cache-key", "ours-1", folder / "secret", folder / "public")
    return folder
