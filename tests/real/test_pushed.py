"""Pushed to Debian's docker-registry, pulled and run by others, and pushed again by a machine that has nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command import LAMELLA
from tests.real.arm64 import arm64_programs_run, busybox
from tests.real.nix import NixPackages
from tests.real.programs import Docker, Podman, certificate, containerd_daemon, needs, run, skopeo_copy
from tests.real.registries import real_registry

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
HASHED = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
"""`secret`, hashed as little as can be, by: perl -e 'print crypt("secret", q($2b$04$abcdefghijklmnopqrstuu))'"""


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
        run_index = [*LAMELLA, "index", "-q"]
        env = {**os.environ, "LAMELLA_CACHE": str(tmp_path / "cache"), "HOME": str(folder)}
        name = f"{registry}/team/both:v1"
        subprocess.run([*run_index, name, "."], cwd=folder, env=env, check=True, capture_output=True)
        assert docker("run", "--rm", "--network=none", name) == "pulled\n"
        raw = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
        assert [entry["platform"]["architecture"] for entry in raw["manifests"]] == ["amd64", "riscv64"]


@pytest.fixture
def both(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """busybox for two platforms: real programs that say what they run on."""
    needs("busybox")
    cache = pytestconfig.rootpath / ".pytest_cache" / "arm64"
    folder = tmp_path / "both"
    spec = """name = "both"\nplatforms = ["linux/{}"]\n[config]\nentrypoint = ["/bin/busybox"]\ncmd = ["uname", "-m"]
        [[layer]]\nname = "bin"\nfiles = [{{ from = "{}/busybox", to = "/bin/busybox" }}]\n"""
    own = shutil.which("busybox")
    assert own
    for name, program in (("amd64", Path(own)), ("arm64", busybox(cache))):
        (folder / name).mkdir(parents=True)
        shutil.copy(program, folder / name / "busybox")
        (folder / f"{name}.toml").write_text(spec.format(name, name))
    return folder


def test_everybody_pulls_and_runs_both_platforms(both: Path, docker: Docker, podman: Podman, tmp_path: Path) -> None:
    env = {**os.environ, "LAMELLA_CACHE": str(tmp_path / "cache"), "HOME": str(both)}
    command = [*LAMELLA, "index"]
    with real_registry(tmp_path) as registry, arm64_programs_run(), containerd_daemon(tmp_path) as containerd:
        name = f"{registry}/team/both:v1"
        subprocess.run([*command, name, "amd64.toml", "arm64.toml"], cwd=both, env=env, check=True, capture_output=True)
        digests = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"))["manifests"]
        for entry, machine in zip(digests, ("x86_64", "aarch64"), strict=True):
            platform = f"linux/{entry['platform']['architecture']}"
            one = f"{registry}/team/both@{entry['digest']}"
            assert docker("run", "--rm", "--network=none", one).strip() == machine
            podman("pull", "--quiet", "--tls-verify=false", f"--platform={platform}", name)
            assert podman("run", "--rm", "--network=none", f"--platform={platform}", name).strip() == machine
            containerd("images", "pull", "--plain-http", f"--platform={platform}", name)
            ran = containerd("run", "--rm", f"--platform={platform}", name, f"one-{machine}")
            assert ran.strip() == machine
        skopeo_copy(f"docker://{name}", f"dir:{tmp_path}/dir", "--all", "--src-tls-verify=false")
        skopeo_copy(f"docker://{name}", f"oci:{tmp_path}/oci:v1", "--all", "--src-tls-verify=false")


def test_skopeo_and_lamella_read_each_other(folder: Path, tmp_path: Path) -> None:
    env = {**os.environ, "LAMELLA_CACHE": str(tmp_path / "cache"), "HOME": str(folder)}

    def ours(*args: str) -> str:
        command = [*LAMELLA, *args]
        return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout

    with real_registry(tmp_path) as registry:
        for form, options in (("oci", []), ("v2s2", ["--format", "v2s2"])):
            name = f"docker://{registry}/team/{form}:v1"
            ours("copy", ".", name, *options)
            ours("copy", name, f"dir:{tmp_path}/{form}-ours")
            again = f"docker://{registry}/again/{form}:v1"
            skopeo_copy(f"dir:{tmp_path}/{form}-ours", again, "--dest-tls-verify=false")
            skopeo_copy(name, f"dir:{tmp_path}/{form}-theirs", "--src-tls-verify=false")
            assert "2 layers, 0 problems" in ours("validate", f"dir:{tmp_path}/{form}-theirs")
            assert (tmp_path / f"{form}-ours" / "manifest.json").read_bytes() == (
                tmp_path / f"{form}-theirs" / "manifest.json"
            ).read_bytes()
            assert "2 layers, 0 problems" in ours("validate", again)
