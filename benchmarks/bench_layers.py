"""How fast layers are made, beside other programs that do the same in the same run.

    python benchmarks/bench_layers.py            some minutes, writes benchmarks/results/layers.json
    python benchmarks/bench_layers.py --quick    half a minute, less data, no steadier than that

Set A is many small files (this Python's library, copied), set B a few large ones (shared objects of this machine).
All of it is read once before, so nothing waits for a disk. Machines are noisy: the ways take turns, and the best of
their rounds counts.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lamella.layers import tar
from lamella.layers.make import layer_entries, make
from lamella.oci.digest import sha256
from lamella.package import Entry, Package
from lamella.plan import LayerPlan, Part
from lamella.sources.tree import walk

RESULTS = Path(__file__).parent / "results" / "layers.json"
CORES = os.cpu_count() or 1
MEMORY = """
import resource, sys
from lamella.layers.make import make
from lamella.oci.digest import sha256
from lamella.package import Package
from lamella.plan import LayerPlan, Part
from lamella.sources.tree import walk
make(LayerPlan("", (Part(Package("p", "p", sha256(b""), 0)),)), lambda _: walk(sys.argv[1].encode(), b"/p"), "gzip")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


@dataclass(frozen=True)
class Scale:
    rounds: int
    small_files: int
    large_bytes: int
    tiny_files: int
    sparse_bytes: int


QUICK = Scale(1, 4_000, 100 << 20, 20_000, 1 << 30)
FULL = Scale(3, 40_000, 700 << 20, 1_000_000, 5 << 30)


@dataclass(frozen=True)
class Way:
    """Something to time. `peer` is the way it should keep up with."""

    name: str
    run: Callable[[], object]
    peer: str = ""


@dataclass(frozen=True)
class Row:
    set: str
    way: str
    seconds: float
    megabytes_per_second: float
    peer: str = ""
    ratio: float | None = None


def small_files(to: Path, count: int) -> None:
    """Copies of this Python's library until there are `count` files."""
    library = Path(sysconfig.get_paths()["stdlib"])
    found = 0
    for copy in range(1000):
        for folder, _, names in os.walk(library):
            files = [Path(folder, name) for name in names if (Path(folder) / name).is_file()]
            place = to / str(copy) / Path(folder).relative_to(library)
            place.mkdir(parents=True)
            for file in files:
                shutil.copyfile(file, place / file.name)
            found += len(files)
            if found >= count:
                return


def large_files(to: Path, size: int) -> None:
    """The largest shared objects of this machine that have room in `size` bytes."""
    found = [path for path in Path("/usr/lib").rglob("*.so*") if path.is_file() and not path.is_symlink()]
    to.mkdir()
    for number, path in enumerate(sorted(found, key=lambda path: (-path.stat().st_size, path))):
        if path.stat().st_size <= size:
            shutil.copyfile(path, to / f"{number}-{path.name}")
            size -= path.stat().st_size


def plan_of(*folders: Path) -> LayerPlan:
    names = [str(folder) for folder in folders]
    return LayerPlan("", tuple(Part(Package(name, name, sha256(b""), 0, path=name, at=name)) for name in names))


def entries(package: Package) -> Iterator[Entry]:
    return walk(os.fsencode(package.path), os.fsencode(package.at))


def one_for_each_core(folder: Path) -> list[LayerPlan]:
    """The folder as several layers of about the same size."""
    parts = {plan_of(part): 0 for part in sorted(folder.glob("*/*")) or sorted(folder.iterdir())}
    for part in parts:
        parts[part] = tar.size(layer_entries(part, entries))
    layers = [plan_of() for _ in range(CORES)]
    rooms = [0] * CORES
    for part in sorted(parts, key=lambda part: -parts[part]):
        core = rooms.index(min(rooms))
        layers[core] = replace(part, parts=(*layers[core].parts, *part.parts))
        rooms[core] += parts[part]
    return layers


def side_by_side(plans: Sequence[LayerPlan], compression: str) -> None:
    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(lambda plan: make(plan, entries, compression), plans))


def ours(folder: Path) -> list[Way]:
    whole, several = plan_of(folder), one_for_each_core(folder)

    def making(compression: str) -> Callable[[], object]:
        return lambda: make(whole, entries, compression)

    def making_all(compression: str) -> Callable[[], object]:
        return lambda: side_by_side(several, compression)

    return [
        Way("entries alone", lambda: deque(layer_entries(whole, entries), 0)),
        Way("tar alone", lambda: tar.write(layer_entries(whole, entries), lambda _: None), "tar | cat"),
        Way("diff_id", making("none"), "tar | sha256sum"),
        Way("diff_id, a layer for each core", making_all("none"), "diff_id"),
        Way("gzip, both digests", making("gzip"), "tar | gzip -1"),
        Way("gzip, a layer for each core", making_all("gzip"), "gzip, both digests"),
        Way("zstd, both digests", making("zstd"), "tar | zstd -3 -T0"),
        Way("zstd, a layer for each core", making_all("zstd"), "zstd, both digests"),
    ]


def peers(folder: Path) -> list[Way]:
    commands = ["cat", "sha256sum", "openssl sha256", "gzip -1", "igzip -1", "pigz -1", "zstd -3 -T1", "zstd -3 -T0"]
    return [
        Way(f"tar | {command}", _piped(folder, command.split()))
        for command in commands
        if shutil.which(command.split()[0])
    ]


def _piped(folder: Path, command: Sequence[str]) -> Callable[[], object]:
    def run() -> None:
        archive = subprocess.Popen(["tar", "-c", "-C", folder, "."], stdout=subprocess.PIPE)
        subprocess.run(command, stdin=archive.stdout, stdout=subprocess.DEVNULL, check=True)
        assert archive.stdout
        archive.stdout.close()
        assert archive.wait() == 0

    return run


def measured(name: str, folder: Path, rounds: int) -> list[Row]:
    """The best time of each way, after one look at all files."""
    ways = [*peers(folder), *ours(folder)]
    size = make(plan_of(folder), entries, "none").tar_size
    best = {way.name: float("inf") for way in ways}
    for _ in range(rounds):
        for way in ways:
            start = time.perf_counter()
            way.run()
            best[way.name] = min(best[way.name], time.perf_counter() - start)
    return [
        Row(
            name,
            way.name,
            round(best[way.name], 4),
            round(size / best[way.name] / 1e6),
            way.peer if way.peer in best else "",
            round(best[way.peer] / best[way.name], 2) if way.peer in best else None,
        )
        for way in ways
    ]


def hash_speed() -> float | None:
    """What `openssl speed` says of SHA-256 in blocks as long as ours, in MB/s."""
    if not shutil.which("openssl"):
        return None
    command = ["openssl", "speed", "-evp", "sha256", "-bytes", "1048576", "-seconds", "1"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(said.split()[-1].rstrip("k")) * 1000 / 1e6


def memory(scale: Scale) -> dict[str, int]:
    """The most memory a process took that made one layer, in MiB."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "sparse").open("wb") as file:
            file.truncate(scale.sparse_bytes)
        found[f"one file of {scale.sparse_bytes >> 30} GiB"] = _memory_of(folder)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(scale.tiny_files):
            (Path(folder) / f"{number:07}").touch()
        found[f"{scale.tiny_files:,} files in one folder"] = _memory_of(folder)
    return found


def _memory_of(folder: str) -> int:
    ran = subprocess.run([sys.executable, "-c", MEMORY, folder], capture_output=True, text=True, check=True)
    return int(ran.stdout)


def table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{'':3} {'way':32} {'seconds':>8} {'MB/s':>6}"
    for row in rows:
        against = f"  {row.ratio:5.2f} x {row.peer}" if row.ratio else ""
        yield f"{row.set:3} {row.way:32} {row.seconds:8.3f} {row.megabytes_per_second:6.0f}{against}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="less data, one round, nothing is written")
    quick = parser.parse_args().quick
    scale = QUICK if quick else FULL
    with tempfile.TemporaryDirectory() as made:
        small, large = Path(made) / "A", Path(made) / "B"
        small_files(small, scale.small_files)
        large_files(large, scale.large_bytes)
        rows = [*measured("A", small, scale.rounds), *measured("B", large, scale.rounds)]
    hashing, used = hash_speed(), memory(scale)
    print("\n".join(table(rows)))
    if hashing:
        reached = next(row.megabytes_per_second for row in rows if (row.set, row.way) == ("B", "diff_id")) / hashing
        print(f"openssl speed: sha256 at {hashing:.0f} MB/s; diff_id of B reaches {reached:.2f} of it")
    print(*(f"memory: {most} MiB for {what}" for what, most in used.items()), sep="\n")
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        told = {"cores": CORES, "sha256": hashing, "memory": used, "rows": [asdict(row) for row in rows]}
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
