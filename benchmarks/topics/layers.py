"""The engine alone: folders to the digests of a layer, beside programs that do part of the same.

Set A is many small files, set B a few large ones; both are in memory after the first look. A shell pipe hashes what it
has compressed, or what it has not; lamella gives both digests in one pass.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.material import large_files, small_files
from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import Shop, missing

from lamella.layers import tar
from lamella.layers.make import layer_entries, make
from lamella.oci.digest import sha256
from lamella.package import Entry, Package
from lamella.plan import LayerPlan, Part
from lamella.sources.tree import walk

TITLE = "Tar, hash and compress"
CORES = os.cpu_count() or 1
TASKS = {
    "none": ("tar and hash", ("sha256sum", "openssl sha256")),
    "gzip": ("gzip and hash", ("gzip -1", "igzip -1", "pigz -1")),
    "zstd": ("zstd and hash", ("zstd -3 -T1", "zstd -3 -T0")),
}
"""What is done, and which programs `tar` is piped to."""


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


def _making(plans: Sequence[LayerPlan], compression: str) -> Callable[[], None]:
    def run() -> None:
        with ThreadPoolExecutor(CORES) as threads:
            list(threads.map(lambda plan: make(plan, entries, compression), plans))

    return run


def _piped(folder: Path, command: Sequence[str]) -> Callable[[], None]:
    """Into a hash, if the command makes none."""
    words = command if command[0] in ("sha256sum", "openssl") else ["sh", "-c", f"{' '.join(command)} | sha256sum"]

    def run() -> None:
        with subprocess.Popen(["tar", "-c", "-C", folder, "."], stdout=subprocess.PIPE) as archive:
            subprocess.run(words, stdin=archive.stdout, stdout=subprocess.DEVNULL, check=True)
        assert archive.returncode == 0

    return run


def _rate(size: int, act: Callable[[], None]) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        act()
        return size / (time.perf_counter() - started) / 1e6

    return run


def measured(name: str, folder: Path, rounds: int) -> Iterator[Task]:
    whole, several = plan_of(folder), one_for_each_core(folder)
    size = make(whole, entries, "none").tar_size
    for compression, (does, commands) in TASKS.items():
        acts = {OURS: _making([whole], compression), "lamella, a layer for each core": _making(several, compression)}
        acts |= {f"tar | {command}": _piped(folder, command.split()) for command in commands}
        ways = [Way(way, _rate(size, act), absent=_absent(way)) for way, act in acts.items()]
        yield race(f"{does}, {name}", ways, rounds, unit="MB/s")


def _absent(way: str) -> str:
    return missing("tar", way.split()[2]) if way.startswith("tar | ") else ""


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    small, large = shop.place("small"), shop.folder / "large"
    small_files(small, size.pick(10_000, 200))
    large_files(large, size.pick(200 << 20, 2 << 20))
    counts = [sum(1 for file in folder.rglob("*") if file.is_file()) for folder in (small, large)]
    tasks = [*measured("small files", small, size.rounds(5)), *measured("large files", large, size.rounds(5))]
    shutil.rmtree(large)
    return f"{counts[0]:,} small files, and {counts[1]} large ones", tasks
