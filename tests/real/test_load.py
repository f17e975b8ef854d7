"""`lamella load`: Docker takes an image, runs it, and of the next one only what changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real.programs import Docker, greeter

pytestmark = pytest.mark.real

SPEC = """
name = "loaded"
files = ["data"]

[config]
entrypoint = ["/bin/greet"]

[[layer]]
name = "bin"
files = ["bin"]
perms = [{ match = "greet$", mode = "0755" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "loaded"
    for name in ("bin", "data"):
        (folder / name).mkdir(parents=True)
    (folder / "bin" / "greet").write_bytes(greeter())
    (folder / "data" / "file").write_text("one")
    (folder / "lamella.toml").write_text(SPEC)
    return folder


def lamella(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from lamella.cli.main import main; main()", *args]
    known = {**os.environ, "LAMELLA_CACHE": str(folder.parent / "cache"), "HOME": str(folder.parent), **env}
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False)


def states(folder: Path, docker: Docker, *args: str) -> list[str]:
    ran = lamella(folder, "load", ".", "--json", *args, DOCKER_HOST=docker.host)
    assert ran.returncode == 0, ran.stderr
    return [layer["state"] for layer in json.loads(ran.stdout)["layers"]]


def test_only_what_docker_lacks_is_made_and_sent(folder: Path, docker: Docker) -> None:
    assert states(folder, docker) == ["uploaded", "uploaded"]
    assert docker("run", "--rm", "--network=none", "loaded") == "hello from a layer\n"
    assert states(folder, docker) == ["exists", "exists"]
    (folder / "data" / "file").write_text("two")
    shutil.rmtree(folder.parent / "cache")
    assert states(folder, docker, "--name", "other:v2") == ["exists", "uploaded"]
    assert docker("run", "--rm", "--network=none", "other:v2") == "hello from a layer\n"
    copied = docker("create", "--network=none", "other:v2").strip()
    docker("cp", f"{copied}:/data/file", folder / "found")
    assert (folder / "found").read_text() == "two"


def test_an_image_is_built_loaded_and_run_at_once(folder: Path, docker: Docker) -> None:
    ran = lamella(folder, "run", "--docker", "--network=none -e A=b", ".", "--", "-x", DOCKER_HOST=docker.host)
    assert (ran.returncode, ran.stdout) == (0, "hello from a layer\n"), ran.stderr
    (folder / "bin" / "greet").write_bytes(b"#!/nowhere\n")
    assert lamella(folder, "run", "--docker", "--network=none", ".", DOCKER_HOST=docker.host).returncode > 0
    wrong = lamella(folder, "run", "--docker", "'", ".", DOCKER_HOST=docker.host)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)


def test_the_context_of_docker_is_followed(folder: Path, docker: Docker) -> None:
    env = {**os.environ, "HOME": str(folder.parent)}
    create = ["docker", "context", "create", "mine", "--docker", f"host={docker.host}"]
    subprocess.run(create, env=env, check=True, capture_output=True)
    assert lamella(folder, "load", "-q", DOCKER_CONTEXT="mine").stdout == "loaded:latest\n"
    missing = lamella(folder, "load", "-q", DOCKER_CONTEXT="yours")
    assert "'yours' cannot be read" in missing.stderr


def test_an_engine_that_is_not_there_is_named(folder: Path) -> None:
    ran = lamella(folder, "load", DOCKER_HOST="unix:///nowhere.sock")
    assert ran.returncode == 5
    assert (
        ran.stderr
        == "lamella: Docker at unix:///nowhere.sock cannot be reached: No such file or directory; is it running?\n"
    )
    assert lamella(folder, "load", DOCKER_HOST="ssh://there").returncode == 5
