"""From wheels to a layer, beside what a Dockerfile does, in the same run.

    python -m benchmarks.bench_packages            a minute or two, writes benchmarks/results/packages.json
    python -m benchmarks.bench_packages --quick    fewer packages, one round, nothing is written

The wheels are on the disk for all of them. What a Dockerfile does is to install (with pip or uv, into an empty root) and
to put that into a compressed layer (`tar | gzip`); what comes after that, docker does with the layer as lamella does.

    cold       nothing is known
    nothing    the same again
    one more   one package more is asked for; it has a layer of its own in lamella, and in the Dockerfile too
    lock       what the requirements are is decided; beside `uv pip compile`, which does not say what is in the files
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.rows import Row

RESULTS = Path(__file__).parent / "results" / "packages.json"
LAMELLA = (sys.executable, "-c", "from lamella.cli.main import main; main()")
FEW = ("numpy", "pyyaml", "rich")
MANY = (
    *FEW,
    "pandas",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "sympy",
    "sqlalchemy",
    "fastapi",
    "boto3",
    "django",
    "pyarrow",
)
SPEC = """
name = "bench"
[python]
version = "{version}"
[[layer]]
name = "packages"
pypi = {names}
{more}
"""


class Bench:
    """A folder with a spec, a cache that holds the wheels, and the same wheels for the others."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.folder, self.names = folder, names
        self.environment = {**os.environ, "LAMELLA_CACHE": str(folder / "cache")}
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.spec("")
        self.lamella("lock", "-q")
        self.lamella("build", "-q")
        lock = json.loads((folder / "lamella.lock").read_text())
        told = next(iter(lock["platforms"].values()))["python"]["wheels"]
        for wheel in told:
            shutil.copy(folder / "cache" / "files" / wheel["sha256"], self.wheels / wheel["file"])
        self.count, self.size = len(told), sum(wheel["unpacked"] for wheel in told)

    def spec(self, more: str) -> None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        layer = f'[[layer]]\nname = "more"\npypi = ["{more}"]' if more else ""
        (self.folder / "lamella.toml").write_text(
            SPEC.format(version=version, names=json.dumps(self.names), more=layer)
        )

    def lamella(self, *args: str) -> None:
        self.run(*LAMELLA, *args)

    def run(self, *command: object) -> None:
        text = [str(part) for part in command]
        done = subprocess.run(text, cwd=self.folder, env=self.environment, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"{text}: {done.stderr.decode()}")

    def forget(self) -> None:
        for name in ("builds", "images"):
            shutil.rmtree(self.folder / "cache" / name, ignore_errors=True)
        (self.folder / "image.json").unlink(missing_ok=True)

    def dockerfile(self, installer: str, wheels: Path) -> None:
        """Installs into an empty root, and makes a layer of that."""
        root = self.folder / "root"
        shutil.rmtree(root, ignore_errors=True)
        files = [str(wheel) for wheel in sorted(wheels.glob("*.whl"))]
        if installer == "pip":
            how = ["--no-deps", "--no-index", "--no-compile", "--root", root, "--prefix", "/usr/local"]
            self.run(sys.executable, "-m", "pip", "install", "-q", "--ignore-installed", *how, *files)
        else:
            how = ["--no-deps", "--no-index", "--offline", "--target", root, "--link-mode", "copy"]
            self.run(sys.executable, "-m", "uv", "pip", "install", "-q", *how, *files)
        self.run("sh", "-c", f"tar -C {root} -c . | gzip | sha256sum")


def timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def measure(bench: Bench, rounds: int) -> list[Row]:
    found: dict[tuple[str, str], list[float]] = {}

    def note(task: str, way: str, act: Callable[[], object]) -> None:
        found.setdefault((task, way), []).append(round(timed(act), 3))

    few = bench.folder / "few"
    few.mkdir()
    bench.spec("humanize")
    bench.lamella("lock", "-q")
    bench.lamella("build", "-q")
    lock = json.loads((bench.folder / "lamella.lock").read_text())
    one = next(w for w in next(iter(lock["platforms"].values()))["python"]["wheels"] if w["name"] == "humanize")
    shutil.copy(bench.folder / "cache" / "files" / one["sha256"], few / one["file"])
    for _ in range(rounds):
        bench.spec("")
        bench.lamella("lock", "-q")
        bench.forget()
        note("cold", "lamella", lambda: bench.lamella("build", "-q"))
        note("nothing", "lamella", lambda: bench.lamella("build", "-q"))
        bench.spec("humanize")
        note("lock", "lamella", lambda: bench.lamella("lock", "-q"))
        note("one more", "lamella", lambda: bench.lamella("build", "-q"))
        for installer in ("pip", "uv"):
            note("cold", f"{installer}, tar, gzip", partial(bench.dockerfile, installer, bench.wheels))
            note("one more", f"{installer}, tar, gzip", partial(bench.dockerfile, installer, few))
        asked = "\n".join([*bench.names, "humanize"])
        command = f"printf '{asked}' | {sys.executable} -m uv pip compile -q - -o compiled.txt --generate-hashes"
        note("lock", "uv pip compile", partial(bench.run, "sh", "-c", command))
    own = {task: statistics.median(found[task, "lamella"]) for task, _ in found}
    return [
        Row(task, way, seconds, round(statistics.median(seconds) / own[task], 2))
        for (task, way), seconds in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), FEW if quick else MANY)
        print(f"{bench.count} packages, {bench.size / 1e6:.0f} MB unpacked")
        rows = measure(bench, 1 if quick else 5)
    for row in sorted(rows, key=lambda row: (row.task, row.ratio)):
        print(f"{row.task:10} {row.way:16} {statistics.median(row.seconds):7.2f} s  {row.ratio:6.1f} x")
    if not quick:
        told = {
            "packages": bench.count,
            "bytes": bench.size,
            "cores": os.cpu_count(),
            "rows": [asdict(row) for row in rows],
        }
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
