"""Nix packages to caches and registries, beside Nix itself and an archive, in the same run.

    python -m benchmarks.bench_nix            a minute, writes benchmarks/results/nix.json
    python -m benchmarks.bench_nix --quick    one round, nothing is written

The packages are those of the tests, made from Debian's: python3, bash, coreutils and hello, with all they refer to.

    fill       a closure to an empty cache in a folder, compressed by zstd, signed; beside `nix copy --to`
    fill again nothing is missing there
    take       the closure from that cache, checked and unpacked; beside `nix copy --from` into an empty store
    change     one file of an image changes: from the flake to the registry; beside an archive of the closure
               and skopeo, which is what an image that Nix writes as an archive comes to
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.rows import Row
from tests.real.library import library
from tests.real.nix import DATA, nix_packages
from tests.real.registries import real_registry

RESULTS = Path(__file__).parent / "results" / "nix.json"
ROOT = Path(__file__).parents[1]
LAMELLA = (sys.executable, "-c", "from lamella.cli.main import main; main()")
ARCHIVE = """
  # One layer with all of it, in an archive in the store.
  archive = pkgs.runCommand "archive.tar" { exportReferencesGraph = [ "graph" uwsgi.config ]; } ''
    tar -cf layer.tar $(grep '^/nix/store' graph | sort -u) 2>/dev/null
    sum=$(sha256sum layer.tar | cut -d' ' -f1)
    printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $sum > config.json
    printf '%s' '[{"Config":"config.json","RepoTags":["app:v1"],"Layers":["layer.tar"]}]' > manifest.json
    tar -cf $out manifest.json config.json layer.tar
  '';
}
"""


class Bench:
    """A folder, the packages, a flake that makes an image of them, and a registry."""

    def __init__(self, folder: Path, registry: str) -> None:
        self.folder, self.registry = folder, registry
        debs = ROOT / ".pytest_cache" / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        packages = nix_packages(debs)
        self.paths = [packages.python3, packages.bash, packages.coreutils, packages.hello]
        self.library = library(folder, debs)
        self.environment = {**os.environ, "NIX_CONF_DIR": str(DATA), "LAMELLA_CACHE": str(folder / "kept")}
        self.run("nix-store", "--generate-binary-cache-key", "bench-1", folder / "secret", folder / "public")
        self.closure = self.run("nix-store", "--query", "--requisites", *self.paths).split()
        shutil.copytree(ROOT / "examples" / "nix", folder / "app")
        images = folder / "app" / "images.nix"
        told = images.read_text().rstrip().removesuffix("}")
        images.write_text(told + ARCHIVE.replace("uwsgi.config", '(pkgs.writeText "c" "${pkgs.python3} ${app}")'))

    def run(self, *command: object) -> str:
        text = [str(part) for part in command]
        done = subprocess.run(text, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{text}: {done.stderr}")
        return done.stdout

    def forget(self) -> None:
        for name in ("ours", "theirs", "kept", "unpacked", "store"):
            subprocess.run(["rm", "-rf", self.folder / name], check=True)

    def fill(self) -> None:
        self.run(*LAMELLA, "cache", "push", *self.paths, "--to", f"file://{self.folder}/ours", "--key", "secret", "-q")

    def fill_by_nix(self) -> None:
        to = f"file://{self.folder}/theirs?compression=zstd&parallel-compression=true&secret-key={self.folder}/secret"
        self.run("nix", "copy", "--to", to, *self.paths)

    def take(self) -> None:
        words = ["--from", f"file://{self.folder}/ours", "--trusted-key", (self.folder / "public").read_text()]
        self.run(*LAMELLA, "cache", "pull", *self.paths, *words, "--into", "unpacked", "-q")

    def take_by_nix(self) -> None:
        words = ["--option", "trusted-public-keys", (self.folder / "public").read_text()]
        store = f"local?root={self.folder}/store"
        self.run("nix", "copy", "--from", f"file://{self.folder}/theirs", "--to", store, *words, *self.paths)

    def change(self) -> None:
        images = self.folder / "app" / "images.nix"
        images.write_text(re.sub(r'print\("\d*', f'print("{time.time_ns()}', images.read_text()))

    def push(self) -> None:
        words = ["--dest-tls-verify=false", f"docker://{self.registry}/app:v1"]
        self.library.run(self.folder / "app", "uwsgi.copyToRegistry", *words)

    def push_archive(self) -> None:
        """What Nix writes into its store, and skopeo from there."""
        archive = self.library.build(self.folder / "app", "archive")
        words = ["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]
        self.run("skopeo", *words, f"docker-archive:{archive}", f"docker://{self.registry}/archive:v1")


def measure(bench: Bench, rounds: int) -> list[Row]:
    found: dict[tuple[str, str], list[float]] = {}

    def note(task: str, way: str, act: Callable[[], object]) -> None:
        started = time.perf_counter()
        act()
        found.setdefault((task, way), []).append(round(time.perf_counter() - started, 3))

    bench.push()
    for _ in range(rounds):
        bench.forget()
        for task in ("fill", "fill again"):
            note(task, "lamella", bench.fill)
            note(task, "nix copy", bench.fill_by_nix)
        note("take", "lamella", bench.take)
        note("take", "nix copy", bench.take_by_nix)
        bench.change()
        note("change", "lamella", bench.push)
        note("change", "archive, skopeo", bench.push_archive)
    own = {task: statistics.median(found[task, "lamella"]) for task, _ in found}
    return [Row(*key, seconds, round(statistics.median(seconds) / own[key[0]], 2)) for key, seconds in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name, real_registry(Path(name)) as registry:
        bench = Bench(Path(name), registry)
        rows = measure(bench, 1 if quick else 5)
        paths = len(bench.closure)
        bench.forget()
    for row in sorted(rows, key=lambda row: (row.task, row.ratio)):
        print(f"{row.task:10} {row.way:16} {statistics.median(row.seconds):7.2f} s  {row.ratio:6.1f} x")
    if not quick:
        told = {"paths": paths, "cores": os.cpu_count(), "rows": [asdict(row) for row in rows]}
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
