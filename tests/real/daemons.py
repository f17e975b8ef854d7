"""Daemons in one shape: how lamella is told of them, and how they run an image."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.real.programs import Containerd, Docker, Podman


@dataclass
class Daemon:
    """`name` is how `load` calls it, `kind` how places do."""

    name: str
    kind: str
    environment: dict[str, str]
    run: Callable[[str], str]


def script(file: Path, body: str) -> None:
    """A program of one's own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def as_docker(docker: Docker) -> Daemon:
    def run(name: str) -> str:
        return docker("run", "--rm", "--network=none", name)

    return Daemon("docker", "docker-daemon", {"DOCKER_HOST": docker.host}, run)


def as_podman(podman: Podman, folder: Path) -> Daemon:
    """`podman` as a program that knows where its store is."""

    def run(name: str) -> str:
        return podman("run", "--rm", "--network=none", name)

    programs = folder / "bin"
    script(programs / "podman", podman.script)
    return Daemon("podman", "podman", {"PATH": f"{programs}:/usr/bin:/bin"}, run)


def as_containerd(containerd: Containerd, name: str) -> Daemon:
    namespace = name.partition(":")[2] or "default"

    def run(image: str) -> str:
        full = f"docker.io/library/{image if ':' in image else f'{image}:latest'}"
        return containerd("--namespace", namespace, "run", "--rm", full, f"run-{image.replace(':', '-')}")

    return Daemon(name, "containerd", {"CONTAINERD_ADDRESS": str(containerd.socket)}, run)
