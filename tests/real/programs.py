"""Foreign programs that read and write images.

A test that needs one that is not here says so and is skipped; with LAMELLA_REQUIRE_REAL set, as in CI, it fails.
"""

import os
import platform
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

GREETING = b"hello from a layer\n"


def absent(reason: str) -> NoReturn:
    """Skips the test, or fails it where all components must be here."""
    if os.environ.get("LAMELLA_REQUIRE_REAL"):
        pytest.fail(reason)
    pytest.skip(reason)


def needs(*programs: str) -> None:
    """Nothing, if all of `programs` are here."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        absent(f"{', '.join(missing)} not installed")


def run(*command: object, **more: str) -> str:
    """What a command says; its complaints are shown when it fails."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env={**os.environ, **more}
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody vouches for, and its key."""
    needs("openssl")
    files = folder / "server.crt", folder / "server.key"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names]
    run("openssl", "req", *options, "-out", files[0], "-keyout", files[1])
    return files


def skopeo_copy(source: str, target: str, *options: str) -> None:
    needs("skopeo")
    run("skopeo", "--insecure-policy", "copy", "--quiet", *options, source, target)


def greeter() -> bytes:
    """A program without any library that writes the greeting; 64-bit x86 Linux."""
    if platform.machine() != "x86_64":
        pytest.skip("the greeter is written for x86-64")
    write = bytes.fromhex("b801000000 bf01000000 488d3510000000 ba") + struct.pack("<I", len(GREETING)) + b"\x0f\x05"
    leave = bytes.fromhex("b83c000000 31ff 0f05")
    code = write + leave + GREETING
    base, start = 0x400000, 64 + 56
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, start + len(code), start + len(code), 0x1000)
    return header + segment + code


class Podman:
    """podman with a store of its own, in a folder whose name must be short."""

    def __init__(self, folder: Path) -> None:
        needs("podman", "runc")
        self._roots = ("--root", folder / "root", "--runroot", folder / "run")
        config = folder / "containers.conf"
        config.write_text(
            '[containers]\nnetns = "none"\nlog_driver = "k8s-file"\n'
            'default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )
        self._config = str(config)

    def __call__(self, *command: object) -> str:
        return run("podman", *self._roots, *command, CONTAINERS_CONF=self._config)

    @property
    def script(self) -> str:
        """The line of a shell script that is this podman."""
        roots = " ".join(str(part) for part in self._roots)
        return f'CONTAINERS_CONF={self._config} exec {shutil.which("podman")} {roots} "$@"'


class Containerd:
    """A containerd of its own, asked through ctr."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def __call__(self, *command: object) -> str:
        return run("ctr", "--address", self.socket, *command)


@contextmanager
def containerd_daemon(folder: Path) -> Iterator[Containerd]:
    """A running containerd, stopped at the end."""
    needs("containerd", "ctr", "runc")
    if os.geteuid():
        absent("containerd needs root")
    socket = folder / "c.sock"
    config = folder / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{socket}"\n'
    )
    log = folder / "log"
    with log.open("wb") as out, subprocess.Popen(["containerd", "-c", config], stdout=out, stderr=out) as daemon:
        try:
            while subprocess.run(["ctr", "-a", socket, "version"], capture_output=True, check=False).returncode:
                if daemon.poll() is not None:
                    absent(f"containerd does not start here: {log.read_text()[-500:]}")
                time.sleep(0.1)
            yield Containerd(socket)
        finally:
            daemon.terminate()


class Docker:
    """A Docker daemon of its own, behind a socket, and behind TLS for who has the `certificates`."""

    def __init__(self, socket: Path, tcp: str, certificates: Path) -> None:
        self.host = f"unix://{socket}"
        self.tcp = tcp
        self.certificates = certificates

    def __call__(self, *command: object) -> str:
        return run("docker", *command, DOCKER_HOST=self.host)


@contextmanager
def docker_daemon(folder: Path) -> Iterator[Docker]:
    """A running daemon, stopped at the end."""
    needs("docker", "dockerd")
    if os.geteuid():
        absent("a Docker daemon needs root")
    path = folder / "docker.sock"
    port = free_port()
    crt, key = certificate(folder)
    for file, name in ((crt, "ca.pem"), (crt, "cert.pem"), (key, "key.pem")):
        shutil.copy(file, folder / name)
    options = ["--bridge=none", "--iptables=false", f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
    options += ["--tlsverify", f"--tlscacert={crt}", f"--tlscert={crt}", f"--tlskey={key}"]
    options += [f"--host=tcp://127.0.0.1:{port}"]
    log = folder / "log"
    command = ["dockerd", *options, f"--pidfile={folder}/pid", f"--host=unix://{path}"]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as daemon:
        try:
            docker = Docker(path, f"tcp://127.0.0.1:{port}", folder)
            while subprocess.run(["docker", "-H", docker.host, "version"], capture_output=True, check=False).returncode:
                if daemon.poll() is not None:
                    absent(f"dockerd does not start here: {log.read_text()[-500:]}")
                time.sleep(0.2)
            yield docker
        finally:
            daemon.terminate()
            daemon.wait()
            subprocess.run(["umount", folder / "exec" / "netns" / "default"], capture_output=True, check=False)
