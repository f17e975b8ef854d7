"""How fast images reach a registry and Docker, beside docker and skopeo in the same run.

    python -m benchmarks.bench_shipping            some minutes, writes benchmarks/results/shipping.json
    python -m benchmarks.bench_shipping --quick    less data, one round, nothing is written

The image is a closure of 12 packages, large and small files of this machine. Each push goes to a docker-registry of its
own, all on loopback, and everybody writes gzip. Needs root (for dockerd), docker, skopeo and docker-registry.

    cold      the registry holds nothing. docker and skopeo have the layers as tars already, lamella has the packages
    update    one package of twelve has changed; the registry has the image before, and no cache has anything. lamella
              has the closure's metadata, and of the packages only the one that changed
    again     the same push once more
    load      one package of twelve has changed, and Docker has the image before
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.bench_layers import large_files, small_files
from benchmarks.rows import Row

RESULTS = Path(__file__).parent / "results" / "shipping.json"
LAMELLA = (sys.executable, "-c", "from lamella.cli.main import main; main()")
PACKAGES = 12
CHANGED = 11


def run(*command: object, **more: str) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, env={**os.environ, **more}, check=False)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr.decode()}")


def timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A registry that holds nothing yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = Path(tempfile.mkdtemp(dir=folder))
    storage = {"filesystem": {"rootdirectory": str(root)}}
    told = {"version": 0.1, "log": {"level": "error"}, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}
    (root / "config.yml").write_text(json.dumps(told))
    server = _started(["docker-registry", "serve", str(root / "config.yml")])
    try:
        _wait(lambda: socket.create_connection(("127.0.0.1", port), 1).close())
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(root)


@contextmanager
def dockerd(folder: Path) -> Iterator[str]:
    """A Docker daemon of its own; gives its address."""
    address = f"unix://{folder}/docker.sock"
    roots = [f"--data-root={folder}/docker", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    server = _started(["dockerd", "--bridge=none", "--iptables=false", *roots, f"--host={address}"])
    try:
        _wait(lambda: subprocess.run(["docker", "-H", address, "version"], capture_output=True, check=True))
        yield address
    finally:
        server.terminate()
        server.wait()


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait(ready: Callable[[], object]) -> None:
    for _ in range(300):
        try:
            ready()
        except (OSError, subprocess.CalledProcessError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit("a server did not start")


class Image:
    """A closure in a folder, and its spec; `before` is the same with one package as it was."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._store = folder / "store"
        self._store.mkdir()
        packages = [self._store / f"{number:032}-package-{number}" for number in range(PACKAGES)]
        for number, package in enumerate(packages):
            if number % 3:
                large_files(package, size // PACKAGES)
            else:
                package.mkdir()
                small_files(package, size // PACKAGES // 20_000)
        changed = self._store / f"{PACKAGES:032}-package-{CHANGED}"
        shutil.copytree(packages[CHANGED], changed)
        (changed / "new").write_text("a small change")
        self.before = self._spec("before", packages)
        self.after = self._spec("after", [*packages[:CHANGED], changed, *packages[CHANGED + 1 :]])
        self.size = sum(file.stat().st_size for package in packages for file in package.rglob("*") if file.is_file())
        self._others = [package for package in packages if package != packages[CHANGED]]

    def _spec(self, name: str, packages: list[Path]) -> Path:
        graph = [
            {"path": str(package), "references": [], "narSize": 1, "narHash": f"sha256:{package.name[:32]:0>64}"}
            for package in packages
        ]
        (self.folder / f"{name}.json").write_text(json.dumps(graph))
        layers = "".join(
            f'[[layer]]\nname = "l{number}"\nnix = [{{ graph = "{name}.json", path = "{package}" }}]\n'
            for number, package in enumerate(packages)
        )
        spec = self.folder / f"{name}.toml"
        spec.write_text(f'name = "bench"\n{layers}')
        return spec

    @contextmanager
    def without_other_packages(self) -> Iterator[None]:
        """What an empty machine has: the metadata, and what it has just built."""
        hidden = self.folder / "hidden"
        hidden.mkdir()
        for package in self._others:
            package.rename(hidden / package.name)
        yield
        for package in self._others:
            (hidden / package.name).rename(package)
        hidden.rmdir()


class Bench:
    """What each way does for each task; a method a task gives seconds by way."""

    def __init__(self, image: Image, docker: str) -> None:
        self.image = image
        self.docker = docker
        self._caches = 0
        for name in ("before", "after"):
            self.lamella("copy", image.folder / f"{name}.toml", f"docker-daemon:{name}", cache="warm")
            plain = f"docker-daemon:{name}:latest"
            run(
                "skopeo",
                "copy",
                "--src-daemon-host",
                docker,
                plain,
                f"oci:{image.folder}/{name}:v1",
                "--dest-oci-accept-uncompressed-layers",
            )

    def cold(self) -> dict[str, float]:
        found = {}
        with registry(self.image.folder) as host:
            found["lamella push"] = timed(lambda: self.lamella("push", self.image.before, f"{host}/bench:v1"))
        with registry(self.image.folder) as host:
            found["skopeo copy"] = timed(lambda: self.skopeo("before", host, "v1"))
        with registry(self.image.folder) as host:
            found["docker push"] = timed(lambda: self.push("before", host, "v1"))
        return found

    def update(self) -> dict[str, float]:
        found = {}
        memory = ("--cache-from",)
        with registry(self.image.folder) as host:
            self.lamella("push", self.image.before, f"{host}/bench:v1", cache="warm")
            with self.image.without_other_packages():
                after = (self.image.after, f"{host}/bench:v2", *memory, f"{host}/bench:v1")
                found["lamella push"] = timed(lambda: self.lamella("push", *after))
        with registry(self.image.folder) as host:
            self.skopeo("before", host, "v1")
            found["skopeo copy"] = timed(lambda: self.skopeo("after", host, "v2"))
        return found

    def again(self) -> dict[str, float]:
        found = {}
        with registry(self.image.folder) as host:
            self.lamella("push", self.image.before, f"{host}/bench:v1", cache="warm")
            found["lamella push"] = timed(
                lambda: self.lamella("push", self.image.before, f"{host}/bench:v1", cache="warm")
            )
            self.skopeo("before", host, "v1")
            found["skopeo copy"] = timed(lambda: self.skopeo("before", host, "v1", keep=True))
            self.push("before", host, "v1")
            found["docker push"] = timed(lambda: self.push("before", host, "v1"))
        return found

    def load(self) -> dict[str, float]:
        found = {}
        source, target = f"oci:{self.image.folder}/after:v1", "docker-daemon:after:latest"
        run("docker", "-H", self.docker, "rmi", "after")
        found["lamella load"] = timed(lambda: self.lamella("load", self.image.after, "--name", "after", cache="warm"))
        run("docker", "-H", self.docker, "rmi", "after")
        found["skopeo copy"] = timed(lambda: run("skopeo", "copy", "--dest-daemon-host", self.docker, source, target))
        run("docker", "-H", self.docker, "rmi", "after")
        archive = self.image.folder / "after.tar"
        run("skopeo", "copy", source, f"docker-archive:{archive}:after:latest")
        found["docker load"] = timed(lambda: run("docker", "-H", self.docker, "load", "-i", archive))
        archive.unlink()
        return found

    def lamella(self, *command: object, cache: str = "") -> None:
        """Without the name of a cache, with an empty one."""
        self._caches += 1
        folder = self.image.folder / (cache or f"cache-{self._caches}")
        run(*LAMELLA, *command, "-q", LAMELLA_CACHE=str(folder), DOCKER_HOST=self.docker)

    def skopeo(self, name: str, host: str, tag: str, *, keep: bool = False) -> None:
        """It remembers digests of blobs; without `keep` that is empty."""
        remembered = Path("/var/lib/containers/cache/blob-info-cache-v1.boltdb")
        if not keep:
            remembered.unlink(missing_ok=True)
        source = f"oci:{self.image.folder}/{name}:v1"
        run("skopeo", "copy", "--dest-tls-verify=false", source, f"docker://{host}/bench:{tag}")

    def push(self, name: str, host: str, tag: str) -> None:
        run("docker", "-H", self.docker, "tag", name, f"{host}/bench:{tag}")
        run("docker", "-H", self.docker, "push", "-q", f"{host}/bench:{tag}")


def measured(bench: Bench, rounds: int) -> Iterator[Row]:
    for task in (bench.cold, bench.update, bench.again, bench.load):
        found = [task() for _ in range(rounds)]
        ours = statistics.median(seconds["lamella load" if task == bench.load else "lamella push"] for seconds in found)
        for way in found[0]:
            seconds = [round(one[way], 3) for one in found]
            yield Row(task.__name__, way, seconds, round(statistics.median(seconds) / ours, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="less data, one round, nothing is written")
    quick = parser.parse_args().quick
    missing = [name for name in ("docker", "dockerd", "skopeo", "docker-registry") if not shutil.which(name)]
    if missing or os.geteuid():
        raise SystemExit(f"this needs root, and {', '.join(missing) or 'nothing else'}")
    with tempfile.TemporaryDirectory() as made:
        image = Image(Path(made), (200 << 20) if quick else (2 << 30))
        with dockerd(Path(made)) as docker:
            rows = list(measured(Bench(image, docker), 1 if quick else 3))
    print(f"{image.size / 1e9:.2f} GB in {PACKAGES} packages")
    for row in rows:
        print(f"{row.task:7} {row.way:13} {statistics.median(row.seconds):7.2f} s  {row.ratio:6.2f} x lamella")
    if not quick:
        told = {"cores": os.cpu_count(), "bytes": image.size, "rows": [asdict(row) for row in rows]}
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
