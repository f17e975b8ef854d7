"""Into the stores of Docker and podman, which have the image already but for the small change in its top package."""

import itertools
from collections.abc import Callable, Mapping

from benchmarks.material import PACKAGES, store_of
from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import Shop, missing

TITLE = "Load into Docker and podman"


class Loader:
    """The image after a change, in the forms that programs load."""

    def __init__(self, shop: Shop, size: Size) -> None:
        self.shop = shop
        self.store = store_of(shop.place("load"), size.pick(200 << 20, 1 << 20), size.pick(PACKAGES, 2))
        self.cache, self.remembered = shop.place("cache"), shop.place("remembered")
        self.archive = shop.folder / "archive"
        self.now = self.store.recipe()
        self._changes = itertools.count(1)

    def lamella(self, into: str) -> None:
        self.shop.lamella("load", self.now.spec, "--into", into, "--name", "bench:v1", cache=self.cache)

    def change(self, archived: bool) -> None:
        self.now = self.store.changed(next(self._changes))
        if archived:
            self.archive.unlink(missing_ok=True)
            target = f"docker-archive:{self.archive}:bench:v1"
            self.shop.lamella("copy", self.now.spec, target, cache=self.cache)

    def ways(self, into: str, absent: str, others: Mapping[str, tuple[Callable[[], object], str]]) -> list[Way]:
        ways = [Way(OURS, lambda: self.lamella(into), lambda: self.change(archived=False), absent)]
        return ways + [
            Way(name, _only(act), lambda: self.change(archived=True), absent or no)
            for name, (act, no) in others.items()
        ]

    def into_docker(self) -> list[Way]:
        def skopeo() -> None:
            words = (
                "--dest-daemon-host",
                self.shop.docker.host,
                f"docker-archive:{self.archive}",
                "docker-daemon:bench:v1",
            )
            self.shop.skopeo(self.remembered, *words)

        others = {
            "docker load": (lambda: self.shop.docker("load", "-q", "-i", self.archive), ""),
            "skopeo copy": (skopeo, missing("skopeo")),
        }
        return self.ways("docker", self.shop.no_docker, others)

    def into_podman(self) -> list[Way]:
        others = {"podman load": (lambda: self.shop.podman("load", "-q", "-i", self.archive), "")}
        return self.ways("podman", self.shop.no_podman, others)


def _only(act: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        act()

    return run


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    loader = Loader(shop, size)
    facts = f"{loader.store.size / 1e6:.0f} MB in {len(loader.store.packages)} packages, a layer each"
    tasks = []
    for name, ways, absent in (
        ("Docker", loader.into_docker(), shop.no_docker),
        ("podman", loader.into_podman(), shop.no_podman),
    ):
        if not absent:
            loader.lamella(name.lower())
        tasks.append(race(f"into {name}, one package changed", ways, size.rounds(5)))
    return facts, tasks
