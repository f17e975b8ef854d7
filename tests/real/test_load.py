"""`lamella load`: daemons take an image, run it, and of the next one only what changed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.command import run
from tests.real.daemons import Daemon, as_containerd, as_docker, as_podman, script
from tests.real.programs import Containerd, Docker, Podman, greeter

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
    return run(folder, *args, **{"HOME": str(folder.parent), **env})


def states(folder: Path, daemon: Daemon, *args: str) -> list[str]:
    ran = lamella(folder, "load", ".", "--into", daemon.name, "--json", *args, **daemon.environment)
    assert ran.returncode == 0, ran.stderr
    return [layer["state"] for layer in json.loads(ran.stdout)["layers"]]


@pytest.fixture(params=["docker", "podman", "containerd", "containerd:k8s.io"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Daemon:
    if request.param == "docker":
        return as_docker(request.getfixturevalue("docker"))
    if request.param == "podman":
        return as_podman(request.getfixturevalue("podman"), tmp_path)
    return as_containerd(request.getfixturevalue("containerd"), request.param)


def test_only_what_a_daemon_lacks_is_made_and_sent(folder: Path, daemon: Daemon) -> None:
    assert states(folder, daemon, "--name", "one") == ["loaded", "loaded"]
    assert daemon.run("one") == "hello from a layer\n"
    assert states(folder, daemon, "--name", "one") == ["exists", "exists"]
    (folder / "data" / "file").write_text("two")
    shutil.rmtree(folder.parent / "cache")
    assert states(folder, daemon, "--name", "other:v2") == ["exists", "loaded"]
    assert daemon.run("other:v2") == "hello from a layer\n"


@pytest.mark.parametrize("daemon", ["docker", "podman", "containerd"], indirect=True)
def test_copies_go_in_and_come_out_with_the_same_digests(folder: Path, daemon: Daemon) -> None:
    place = f"{daemon.kind}:copied:v1"
    wanted = json.loads(lamella(folder, "copy", ".", "docker-archive:file.tar:copied:v1", "--json").stdout)
    assert lamella(folder, "copy", "docker-archive:file.tar", place, **daemon.environment).stdout
    back = lamella(folder, "copy", place, "oci:out:v1", "--json", **daemon.environment)
    assert back.returncode == 0, back.stderr
    named = json.loads((folder / "out" / "index.json").read_bytes())["manifests"][0]["digest"]
    assert wanted["digest"] is None, "a docker-archive has no manifest"
    assert json.loads(back.stdout) == {**wanted, "name": "copied", "tag": "v1", "digest": named}
    assert lamella(folder, "validate", "oci:out").returncode == 0
    absent = lamella(folder, "copy", f"{daemon.kind}:nobody", "oci:out", **daemon.environment)
    assert (absent.returncode, len(absent.stderr.splitlines())) == (5, 1)
    assert "nobody" in absent.stderr


def test_an_image_is_built_loaded_and_run_at_once(folder: Path, docker: Docker) -> None:
    host = docker.host
    ran = lamella(folder, "run", "--options", "--network=none -e A=b", ".", "--", "-x", DOCKER_HOST=host)
    assert (ran.returncode, ran.stdout) == (0, "hello from a layer\n"), ran.stderr
    (folder / "bin" / "greet").write_bytes(b"#!/nowhere\n")
    assert lamella(folder, "run", "--options", "--network=none", ".", DOCKER_HOST=host).returncode > 0
    wrong = lamella(folder, "run", "--options", "'", ".", DOCKER_HOST=host)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)


def test_podman_runs_it_as_well(folder: Path, podman: Podman, tmp_path: Path) -> None:
    environment = as_podman(podman, tmp_path).environment
    ran = lamella(folder, "run", "--into", "podman", "--options", "--network=none", ".", **environment)
    assert (ran.returncode, ran.stdout) == (0, "hello from a layer\n"), ran.stderr


def test_the_nodes_of_a_cluster_are_loaded(folder: Path, containerd: Containerd, tmp_path: Path) -> None:
    """Stand-ins for kind, and for the containers that are its nodes: two namespaces of one containerd."""
    programs = tmp_path / "programs"
    script(programs / "kind", '[ "$*" = "get nodes --name mine" ] && echo node-a node-b')
    node = '[ "$1 $2 $4 $5" = "exec --interactive ctr --namespace=k8s.io" ] || exit 9\nnode=$3; shift 5\n'
    script(programs / "docker", f'{node}exec ctr --namespace "$node" "$@"')
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "CONTAINERD_ADDRESS": str(containerd.socket)}
    ran = lamella(folder, "load", ".", "--into", "kind:mine", "--json", **environment)
    assert ran.returncode == 0, ran.stderr
    for name in ("node-a", "node-b"):
        assert "docker.io/library/loaded:latest" in containerd("--namespace", name, "images", "ls", "-q")
    assert "there are docker, podman" in lamella(folder, "load", ".", "--into", "kint").stderr


def test_an_engine_is_reached_through_ssh(folder: Path, docker: Docker, tmp_path: Path) -> None:
    """A stand-in for ssh that runs what it is told to here."""
    programs = tmp_path / "programs"
    script(programs / "ssh", f'while [ "$1" != docker ]; do shift; done\nDOCKER_HOST={docker.host} exec "$@"')
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "DOCKER_HOST": "ssh://me@there"}
    assert lamella(folder, "load", "-q", "--name", "through:ssh", **environment).stdout == "through:ssh\n"
    assert docker("run", "--rm", "--network=none", "through:ssh") == "hello from a layer\n"


def test_an_engine_may_want_certificates(folder: Path, docker: Docker) -> None:
    told = {"DOCKER_HOST": docker.tcp, "DOCKER_TLS_VERIFY": "1"}
    trusted = {**told, "DOCKER_CERT_PATH": str(docker.certificates)}
    assert lamella(folder, "load", "-q", "--name", "through:tls", **trusted).stdout == "through:tls\n"
    assert docker("run", "--rm", "--network=none", "through:tls") == "hello from a layer\n"
    stranger = lamella(folder, "load", "-q", **told)
    assert (stranger.returncode, stranger.stderr.count("\n")) == (5, 1)
    assert "cannot be reached" in stranger.stderr


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
    assert lamella(folder, "load", DOCKER_HOST="fax://there").returncode == 5
    for into in ("podman", "containerd"):
        ran = lamella(folder, "load", "--into", into, PATH="/nowhere")
        assert (ran.returncode, ran.stderr.count("\n")) == (5, 1)
        assert "is not installed; install it" in ran.stderr


def test_up_to_a_layer(folder: Path, docker: Docker) -> None:
    daemon = as_docker(docker)
    assert states(folder, daemon, "--layer", "bin") in (["loaded"], ["exists"])
    assert daemon.run("loaded-bin:latest")
    ran = lamella(folder, "load", "docker-daemon:loaded-bin", "--layer", "bin", **daemon.environment)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "--layer needs a spec" in ran.stderr
