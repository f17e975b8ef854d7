"""Pushed to Debian's docker-registry, pulled by Docker and podman, and pushed again by a machine that has nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real.nix import NixPackages
from tests.real.programs import Docker, needs, run
from tests.real.registries import certificate, real_registry

pytestmark = pytest.mark.real

SPEC = """
name = "greeter"

[config]
entrypoint = ["{hello}/bin/hello", "-g", "pulled"]

[[layer]]
name = "closure"
nix = [{{ graph = "closure.json", path = "{hello}" }}]
max_layers = 3
"""
HASHED = "$2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u"
"""`secret`, by: perl -e 'print crypt("secret", q($2b$10$abcdefghijklmnopqrstuu))'"""


@pytest.fixture
def folder(packages: NixPackages, tmp_path: Path) -> Path:
    folder = tmp_path / "greeter"
    folder.mkdir()
    shutil.copy(packages.graph, folder / "closure.json")
    (folder / "lamella.toml").write_text(SPEC.format(hello=packages.hello))
    return folder


def lamella(folder: Path, *args: str, cache: str = "cache", before: str = "") -> list[dict[str, object]]:
    """What became of the layers of a push."""
    script = f"{before} exec {sys.executable} -c 'from lamella.cli.main import main; main()' push . --json \"$@\""
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *args]
    env = {**os.environ, "LAMELLA_CACHE": str(folder.parent / cache), "HOME": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    layers: list[dict[str, object]] = json.loads(ran.stdout)[0]["layers"]
    return layers


def test_docker_runs_what_it_pulls(folder: Path, docker: Docker, tmp_path: Path) -> None:
    with real_registry(tmp_path) as registry:
        lamella(folder, f"{registry}/team/greeter:v1")
        assert docker("run", "--rm", "--network=none", f"{registry}/team/greeter:v1") == "pulled\n"


def test_an_empty_machine_without_any_of_the_files_pushes(folder: Path, tmp_path: Path) -> None:
    needs("unshare")
    with real_registry(tmp_path) as registry:
        first = lamella(folder, f"{registry}/greeter:v1")
        hidden = "mount --make-rprivate / && mount -t tmpfs none /nix/store && ! ls /nix/store/* 2>/dev/null &&"
        again = lamella(
            folder, f"{registry}/greeter:v2", "--cache-from", f"{registry}/greeter:v1", cache="empty", before=hidden
        )
        assert [layer["digest"] for layer in again] == [layer["digest"] for layer in first]
        assert {layer["state"] for layer in again} == {"exists"}
        elsewhere = lamella(
            folder, f"{registry}/other:v1", "--cache-from", f"{registry}/greeter:v1", cache="none", before=hidden
        )
        assert {layer["state"] for layer in elsewhere} == {"mounted"}


def test_certificates_and_passwords(folder: Path, tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    (tmp_path / "passwords").write_text(f"me:{HASHED}\n")
    tls = {"tls": {"certificate": str(crt), "key": str(key)}}
    auth = {"htpasswd": {"realm": "test", "path": str(tmp_path / "passwords")}}
    with real_registry(tmp_path, tls, auth=auth) as registry:
        with pytest.raises(AssertionError, match="--ca"):
            lamella(folder, f"{registry}/a:v1")
        with pytest.raises(AssertionError, match="docker login"):
            lamella(folder, f"{registry}/a:v1", "--ca", str(crt))
        layers = lamella(folder, f"{registry}/a:v1", "--ca", str(crt), "--creds", "me:secret")
        assert {layer["state"] for layer in layers} == {"uploaded"}
        assert {
            layer["state"] for layer in lamella(folder, f"{registry}/a:v1", "--insecure", "--creds", "me:secret")
        } == {"exists"}


def test_docker_takes_its_own_platform_from_an_index(folder: Path, docker: Docker, tmp_path: Path) -> None:
    spec = (folder / "lamella.toml").read_text()
    (folder / "lamella.toml").write_text(f'platforms = ["linux/riscv64", "linux/amd64"]\n{spec}')
    with real_registry(tmp_path) as registry:
        run_index = [sys.executable, "-c", "from lamella.cli.main import main; main()", "index", "-q"]
        env = {**os.environ, "LAMELLA_CACHE": str(tmp_path / "cache"), "HOME": str(folder)}
        name = f"{registry}/team/both:v1"
        subprocess.run([*run_index, name, "."], cwd=folder, env=env, check=True, capture_output=True)
        assert docker("run", "--rm", "--network=none", name) == "pulled\n"
        raw = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
        assert [entry["platform"]["architecture"] for entry in raw["manifests"]] == ["amd64", "riscv64"]
