"""How time grows: with the files of a layer, with the packages of an image that is built again, and with its layers."""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.material import Store, tiny_files
from benchmarks.measure import Size, Task, Way, race
from benchmarks.shop import Shop, missing, run
from benchmarks.topics.build import Builders
from benchmarks.topics.push import Race

TITLE = "Growth"
FILES = (1_000, 6_000, 36_000)
PACKAGES = (30, 100, 300, 1_000)
LAYERS = (10, 30, 90)
FILES_IN_PACKAGE = 10


def by_files(shop: Shop, counts: Sequence[int], rounds: int) -> Iterator[Task]:
    """One layer of so many files of a kilobyte, of which nothing is known."""
    for count in counts:
        folder = shop.place("files")
        store = Store(folder)
        tiny_files(store.new(), count)
        made = Builders(shop, store)
        package = folder / "store" / store.packages[0]

        def tar(package: Path = package) -> None:
            run("sh", "-c", f"tar -C {package} -c . | gzip -1 | sha256sum")

        ways = [
            *(way for way in made.cold() if "," not in way.name),
            Way("tar | gzip", tar, absent=missing("tar", "gzip")),
        ]
        yield race("a layer by its files", ways, rounds, at=count)
        shutil.rmtree(folder)


def by_packages(shop: Shop, counts: Sequence[int], rounds: int) -> Iterator[Task]:
    """An image of which nothing changed, so many packages in at most forty layers; in a Dockerfile all are one."""
    for count in counts:
        folder = shop.place("packages")
        store = Store(folder)
        for _ in range(count):
            tiny_files(store.new(), FILES_IN_PACKAGE)
        made = Builders(shop, store)
        head = 'name = "bench"\nlayering = "size"\nmax_layers = 40\n'
        made.first.spec.write_text(f'{head}nix = [{{ graph = "v0.json" }}]\n')
        made.first.plain.write_text(f'{head}files = ["store"]\n')
        (folder / made.first.dockerfile).write_text("FROM scratch\nCOPY store /store\n")
        yield race("an unchanged image by its packages", made.ways(), rounds, at=count)
        shutil.rmtree(folder)


def by_layers(shop: Shop, counts: Sequence[int], rounds: int) -> Iterator[Task]:
    """A push of an image of so many layers of which one changed."""
    for count in counts:
        folder = shop.place("layers")
        store = Store(folder)
        for _ in range(count):
            tiny_files(store.new(), FILES_IN_PACKAGE)
        runs = Race(shop, store)
        host = shop.new_registry()
        for pusher in runs.pushers:
            if not pusher.absent:
                pusher.ready(runs.first)
                pusher.push(runs.first, runs.target(pusher, host, "v1"))
        yield race("a push of one changed layer by layers", runs.change(host), rounds, at=count)
        shutil.rmtree(folder)


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    rounds = size.rounds(3)
    tasks = itertools.chain(
        by_files(shop, size.pick(FILES, (10,)), rounds),
        by_packages(shop, size.pick(PACKAGES, (2,)), rounds),
        () if missing("docker-registry") else by_layers(shop, size.pick(LAYERS, (2,)), rounds),
    )
    return f"files of 1 kB, packages of {FILES_IN_PACKAGE}", list(tasks)
