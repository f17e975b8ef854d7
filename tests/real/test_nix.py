"""Images of real Nix packages: Docker, podman and skopeo take what the command builds, and its programs run."""

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import LAMELLA
from tests.layers.go import Program, go, tar_by
from tests.made import collected
from tests.real.nix import NixPackages
from tests.real.programs import Docker, Podman, absent, run, skopeo_copy

from lamella.closure import restrict
from lamella.images.layout import open_layout
from lamella.oci.validate import validate
from lamella.package import Entry, Kind
from lamella.sources.nix import graph as nix
from lamella.sources.nix import store

pytestmark = pytest.mark.real

SPEC = """
name = "greeter"
files = ["app"]
compression = "{compression}"

[config]
entrypoint = ["{python3}/bin/python3", "/app/greet.py"]
env = {{ PATH = "{bash}/bin:{coreutils}/bin:{hello}/bin" }}

[[layer]]
name = "shell"
nix = ["{bash}", "{coreutils}"]

[[layer]]
name = "python"
nix = [{{ graph = "closure.json" }}]
max_layers = 4
"""
APP = """
import subprocess, sys
subprocess.run(["bash", "-c", "hello -g 'hi from' && basename /a/store"], check=True)
"""
GREETING = "hi from\nstore\n"


class Forgetful:
    """Nothing is remembered, and nothing needs to be: Nix tells the hashes."""

    def read(self, name: str, kind: object) -> None:
        raise AssertionError(name)

    def write(self, name: str, value: object) -> None:
        raise AssertionError(name)


@pytest.fixture
def folder(packages: NixPackages, tmp_path: Path) -> Path:
    """A spec that takes store paths by name, and others from a graph."""
    folder = tmp_path / "greeter"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "greet.py").write_text(APP)
    shutil.copy(packages.graph, folder / "closure.json")
    write_spec(folder, packages, "gzip")
    return folder


def write_spec(folder: Path, packages: NixPackages, compression: str) -> None:
    names = {name: getattr(packages, name) for name in ("bash", "coreutils", "hello", "python3")}
    (folder / "lamella.toml").write_text(SPEC.format(compression=compression, **names))


def lamella(folder: Path, *args: str) -> bytes:
    command = [*LAMELLA, *args]
    env = {**os.environ, "LAMELLA_CACHE": str(folder.parent / "cache")}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def test_docker_runs_what_is_piped_to_it(folder: Path, docker: Docker) -> None:
    lamella(folder, "build")
    archive = lamella(folder, "copy", "image.json", "docker-archive:-")
    subprocess.run(["docker", "-H", docker.host, "load"], input=archive, check=True, capture_output=True)
    assert docker("run", "--rm", "--network=none", "greeter:latest") == GREETING


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_podman_runs_a_layout_and_skopeo_copies_it(
    folder: Path, packages: NixPackages, podman: Podman, compression: str
) -> None:
    write_spec(folder, packages, compression)
    lamella(folder, "build", "--to", "oci:out")
    skopeo_copy(f"oci:{folder}/out:latest", f"oci:{folder}/copy:v1")
    assert validate(open_layout(folder / "copy", "v1")) == []
    name = podman("pull", "--quiet", f"oci:{folder}/out:latest").strip()
    assert podman("run", "--rm", name) == GREETING


def test_every_file_of_the_closure_lies_in_one_layer(folder: Path, packages: NixPackages) -> None:
    lamella(folder, "build", "--to", "oci:out")
    found: list[str] = []
    for layer in open_layout(folder / "out").layers:
        with tarfile.open(fileobj=io.BytesIO(collected(layer.content.tar))) as tar:
            found += [member.name for member in tar if not member.isdir()]
    told = json.loads(Path(packages.graph).read_text())
    files = [
        str(path) for info in told for path in Path(info["path"]).rglob("*") if path.is_symlink() or not path.is_dir()
    ]
    assert sorted(found) == sorted([*files, "/app/greet.py"])


def test_the_graph_of_an_image_is_the_one_that_nix_tells(folder: Path, packages: NixPackages) -> None:
    lamella(folder, "build")
    for image in ("image.json", "lamella.toml"):
        told = json.loads(lamella(folder, "inspect", image, "--graph"))
        own = {info["path"]: info for info in told if info["path"].startswith("/nix/store")}
        for info in json.loads(Path(packages.graph).read_text()):
            found = own.pop(info["path"])
            assert set(found["references"]) == set(info["references"]) - {info["path"]}
            assert [found["narSize"], found["closureSize"]] == [info["narSize"], info["closureSize"]]
        assert own == {}


def test_explain_follows_references_through_lower_layers(folder: Path, packages: NixPackages) -> None:
    lamella(folder, "build")
    chain = json.loads(lamella(folder, "explain", "glibc", "--json"))["chain"]
    assert "-glibc" in chain[-1]
    assert len(chain) > 1


@pytest.fixture
def go_tar(tmp_path: Path) -> Iterator[Program]:
    if not go():
        absent("Go is not installed")
    program = Program("headers", tmp_path)
    yield program
    program.stop()


def test_a_layer_of_store_paths_is_the_archive_that_go_writes(
    folder: Path, packages: NixPackages, go_tar: Program
) -> None:
    (folder / "lamella.toml").write_text(f'name = "one"\ncompression = "none"\nnix = ["{packages.bash}"]\n')
    lamella(folder, "build", "--to", "oci:out")
    (layer,) = open_layout(folder / "out").layers
    assert collected(layer.content.tar) == tar_by(go_tar, walked(closure_of(packages.bash)))


def closure_of(path: str) -> list[str]:
    return run("nix-store", "--query", "--requisites", path).split()


def walked(packages: list[str]) -> list[tuple[Entry, bytes]]:
    """The files of store paths in the order of a walk by bytes, and the folders above them."""
    paths = {Path("/"), Path("/nix"), Path("/nix/store")}
    for package in packages:
        paths |= {Path(package), *Path(package).rglob("*")}
    return [told(path) for path in sorted(paths, key=lambda path: [os.fsencode(part) for part in path.parts])]


def told(path: Path) -> tuple[Entry, bytes]:
    name, seen = os.fsencode(path), path.lstat()
    if stat.S_ISLNK(seen.st_mode):
        return Entry(name, Kind.SYMLINK, 0o777, target=os.fsencode(path.readlink())), b""
    if path.is_dir():
        mode = 0o755 if len(path.parts) < 4 else stat.S_IMODE(seen.st_mode)
        return Entry(name, Kind.DIRECTORY, mode), b""
    return Entry(name, Kind.FILE, stat.S_IMODE(seen.st_mode), size=seen.st_size), path.read_bytes()


def test_nix_and_its_graph_file_tell_the_same(packages: NixPackages) -> None:
    asked = nix.closure_of(store.paths_of(packages.all), packages.all, Forgetful())
    read = nix.read_graph(Path(packages.graph), Forgetful())
    assert asked == restrict(read, packages.all)
    assert {package.name for package in asked.packages} >= {"bash", "glibc", "python3", "hello"}
