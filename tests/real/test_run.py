"""What lamella builds runs: in Docker, and in podman."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.programs import GREETING, Docker, Podman, docker_daemon, greeter, skopeo_copy

from lamella import Config, Image, Layer, Perm, files, pipeline
from lamella.destinations.archive import write_docker_archive
from lamella.destinations.layout import Layout
from lamella.pipeline.draft import Target
from lamella.pipeline.workplace import workplace
from lamella.spec.model import Spec
from lamella.staging import staged_beside

pytestmark = pytest.mark.real


@pytest.fixture
def forms(tmp_path: Path) -> Path:
    """A folder with an image, built from folders, as a layout and as a docker-archive."""
    source = tmp_path / "src"
    (source / "bin").mkdir(parents=True)
    (source / "data").mkdir()
    (source / "bin" / "greet").write_bytes(greeter())
    (source / "data" / "file").write_text("data")
    image = Image(
        "greeting",
        layers=[
            Layer("data", [files("data")]),
            Layer("bin", [files("bin")], perms=[Perm(match="greet$", mode=0o755)]),
        ],
        config=Config(entrypoint=["/bin/greet"]),
    )
    place = workplace(tmp_path / "cache")
    built = pipeline.build(pipeline.plan(Spec(image, source), place), place, [Target(Layout(tmp_path / "layout"))])
    with staged_beside(tmp_path / "docker.tar") as out:
        write_docker_archive(built.image, "greeting:latest", out)
    return tmp_path


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for sockets."""
    with tempfile.TemporaryDirectory(prefix="l-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def docker(short: Path) -> Iterator[Docker]:
    with docker_daemon(short) as docker:
        yield docker


def test_docker_runs_it(forms: Path, docker: Docker) -> None:
    docker("load", "--input", forms / "docker.tar")
    assert docker("run", "--rm", "--network", "none", "greeting:latest") == GREETING.decode()


def test_podman_runs_it(forms: Path, short: Path) -> None:
    podman = Podman(short)
    podman("pull", "--quiet", f"oci:{forms / 'layout'}:latest")
    names = podman("images", "--quiet").split()
    assert podman("run", "--rm", "--network", "none", names[0]) == GREETING.decode()


def test_skopeo_copies_it_unchanged(forms: Path) -> None:
    skopeo_copy(f"oci:{forms / 'layout'}:latest", f"dir:{forms / 'dir'}")
    blobs = {file.name for file in (forms / "dir").iterdir()}
    assert {file.name for file in (forms / "layout" / "blobs" / "sha256").iterdir()} - blobs <= {_root(forms)}


def _root(forms: Path) -> str:
    index = json.loads((forms / "layout" / "index.json").read_bytes())
    return str(index["manifests"][0]["digest"]).partition(":")[2]
