"""The programs that are measured: lamella, and the peers that this machine has, with stores and daemons of their own.

A peer that is not here, or does not start, is said to be absent, with the reason; nothing is left out in silence.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LAMELLA = (sys.executable, "-c", "from lamella.cli.main import main; main()")
PEAK = """
import os, sys
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, 1, 0)])
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A small process that runs another: one that is started by a large one would be told to have been as large."""
NOTHING: Mapping[str, str] = {}
PODMAN = """
[containers]
netns = "none"
log_driver = "k8s-file"
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def surroundings(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program; Python may keep what it compiles, as where it is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | dict(more)


def run(*command: object, cwd: Path | None = None, env: Mapping[str, str] = NOTHING) -> str:
    """Runs a command, whose failure ends the benchmark; gives what it says."""
    text = [str(part) for part in command]
    done = subprocess.run(text, cwd=cwd, capture_output=True, text=True, env=surroundings(env), check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(text)}: {done.stderr}")
    return done.stdout


def peak(*command: object, env: Mapping[str, str] = NOTHING) -> float:
    """The most memory that one process of a command took, in MB."""
    return int(run(sys.executable, "-I", "-S", "-c", PEAK, *command, env=env)) / 1000


def peak_of(pid: int, *, anew: bool = False) -> float:
    """The most memory that a running process took, in MB, `anew` from now on."""
    if anew:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def missing(*programs: str) -> str:
    """Which of `programs` are not here, as a reason not to measure."""
    absent = [name for name in programs if not shutil.which(name)]
    return f"no {', '.join(absent)} here" if absent else ""


def free_host() -> str:
    """Where a server can listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def wait_for(ready: Callable[[], object], server: "subprocess.Popen[bytes]") -> None:
    """Waits until `ready` raises nothing any more."""
    for _ in range(300):
        try:
            ready()
        except (OSError, subprocess.CalledProcessError):
            if server.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise ChildProcessError(f"{server.args!r} did not start")


def listens(host: str) -> None:
    name, _, port = host.rpartition(":")
    socket.create_connection((name, int(port)), 1).close()


@contextlib.contextmanager
def started(
    command: Sequence[object], ready: Callable[[], object], env: Mapping[str, str] = NOTHING
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server, which is stopped at the end."""
    silent = subprocess.DEVNULL
    server = subprocess.Popen([str(part) for part in command], stdout=silent, stderr=silent, env=surroundings(env))
    try:
        wait_for(ready, server)
        yield server
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry, which holds nothing yet; gives its host."""
    host = free_host()
    root = Path(tempfile.mkdtemp(dir=folder))
    told = {"version": 0.1, "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": str(root)}}}
    (root / "config.yml").write_text(json.dumps(told | {"http": {"addr": host}}))
    with started(["docker-registry", "serve", root / "config.yml"], lambda: listens(host)):
        yield host
    shutil.rmtree(root)


@dataclass(frozen=True)
class Docker:
    """A Docker daemon of its own."""

    host: str
    pid: int
    builder: str

    def __call__(self, *command: object, cwd: Path | None = None) -> str:
        return run("docker", *command, cwd=cwd, env={"DOCKER_HOST": self.host})

    def build(self, folder: Path, file: str, name: str, *options: object) -> None:
        """By BuildKit, without a network."""
        words = ["build", "-q", "--network=none", "-f", folder / file, "-t", name, *options, folder]
        run(self.builder, *words, env={"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1"})

    def forget_all(self) -> None:
        """Forgets all images, and all that was built."""
        self("image", "prune", "--all", "--force")
        self("builder", "prune", "--all", "--force")


def _buildkit() -> str:
    """The first docker that can tell BuildKit what to do; newer ones need a plugin for that."""
    for name in ("docker", "/usr/bin/docker"):
        command = [name, "build", "--help"]
        env = {**os.environ, "DOCKER_BUILDKIT": "1"}
        if (
            shutil.which(name)
            and b"--progress" in subprocess.run(command, capture_output=True, env=env, check=False).stdout
        ):
            return name
    return ""


class Shop:
    """A folder for one run, and what is started in it."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._registry = contextlib.ExitStack()
        self._numbers = 0
        stack.callback(self._registry.close)
        stack.callback(lambda: subprocess.run(["umount", folder / "c" / "overlay"], capture_output=True, check=False))

    def place(self, name: str) -> Path:
        """A new folder."""
        self._numbers += 1
        folder = self.folder / f"{name}{self._numbers}"
        folder.mkdir()
        return folder

    def place_in_memory(self, name: str) -> Path:
        """A new folder that needs no disk, where the machine has such."""
        if not Path("/dev/shm").is_dir():
            return self.place(name)
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm")))

    def lamella(self, *command: object, cache: Path | None = None, cwd: Path | None = None) -> None:
        """Without a cache, with an empty one, which is forgotten."""
        used = cache or self.place("cache")
        run(*LAMELLA, *command, "-q", cwd=cwd, env=self.environment(used))
        if not cache:
            shutil.rmtree(used)

    def environment(self, cache: Path) -> dict[str, str]:
        docker = {"DOCKER_HOST": self.docker.host} if "docker" in self.__dict__ else {}
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return {"LAMELLA_CACHE": str(cache), "PATH": path, **self.podman_environment, **docker}

    def new_registry(self) -> str:
        """One that holds nothing, in the place of the one before."""
        self._registry.close()
        return self._registry.enter_context(registry(self.folder))

    @cached_property
    def docker(self) -> Docker:
        place = self.place("docker")
        host = f"unix://{place}/socket"
        roots = [f"--data-root={place}/data", f"--exec-root={place}/exec", f"--pidfile={place}/pid"]
        command: list[object] = ["dockerd", "--bridge=none", "--iptables=false", *roots, f"--host={host}"]
        ask = ["docker", "-H", host, "version"]
        left = ["umount", f"{place}/exec/netns/default"]
        self._stack.callback(lambda: subprocess.run(left, capture_output=True, check=False))
        server = self._stack.enter_context(
            started(command, lambda: subprocess.run(ask, capture_output=True, check=True))
        )
        return Docker(host, server.pid, _buildkit())

    @cached_property
    def no_docker(self) -> str:
        """Why there is no Docker to measure; nothing if there is."""
        if reason := missing("docker", "dockerd"):
            return reason
        if os.geteuid():
            return "a Docker daemon of its own needs root"
        try:
            return "" if self.docker.builder else "docker without BuildKit"
        except ChildProcessError:
            return "dockerd does not start here"

    def skopeo(self, remembered: Path, *command: object) -> None:
        """`skopeo copy` that remembers blobs in that folder, and leaves alone what it remembers on this machine."""
        env = {"XDG_DATA_HOME": str(remembered), "_CONTAINERS_ROOTLESS_UID": "1000"}
        run("skopeo", "--insecure-policy", "copy", "-q", *command, env=env)

    def podman(self, *command: object) -> str:
        """With a store of its own."""
        return run("podman", *self.store, *command, env=self.podman_environment)

    @property
    def store(self) -> list[object]:
        return ["--root", self.folder / "c", "--runroot", self.folder / "r", "--storage-driver", "overlay"]

    @cached_property
    def podman_environment(self) -> dict[str, str]:
        """The environment that containers want; for lamella, a `podman` that knows its store is put into the path."""
        settings, programs = self.folder / "containers.conf", self.folder / "bin"
        settings.write_text(PODMAN)
        programs.mkdir()
        words = " ".join(str(word) for word in self.store)
        (programs / "podman").write_text(f'#!/bin/sh\nexec {shutil.which("podman")} {words} "$@"\n')
        (programs / "podman").chmod(0o755)
        return {"CONTAINERS_CONF": str(settings)}

    @cached_property
    def no_podman(self) -> str:
        return missing("podman") or ("podman is measured as root" if os.geteuid() else "")
