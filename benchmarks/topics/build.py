"""From folders to an image, a layer for each folder: all of it, nothing changed, one folder changed."""

import itertools
import shutil
from collections.abc import Iterator

from benchmarks.material import PACKAGES, Recipe, Store, store_of
from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import Shop, missing, run

TITLE = "Build an image from twelve folders"
STORED = "lamella, to an OCI layout"
PLAIN = "lamella, unknown folders"
NO_CACHE = "umoci keeps no cache: as cold"


class Builders:
    """What each program does to make the image of a recipe."""

    def __init__(self, shop: Shop, store: Store) -> None:
        self.shop, self.store = shop, store
        self.first = store.recipe()
        self.cache, self.layout, self.stored_in = shop.place("cache"), shop.folder / "layout", shop.folder / "stored"
        self._changes = itertools.count(1)

    def lamella(self, recipe: Recipe) -> None:
        self.shop.lamella("build", recipe.spec, cache=self.cache)

    def stored(self, recipe: Recipe) -> None:
        """With the layers on the disk, as the other programs leave them."""
        self.shop.lamella("build", recipe.spec, "--to", f"oci:{self.stored_in}:v1", cache=self.cache)

    def plain(self, recipe: Recipe) -> None:
        self.shop.lamella("build", recipe.plain, cache=self.cache)

    def docker(self, recipe: Recipe) -> None:
        self.shop.docker.build(self.store.folder, recipe.dockerfile, "bench")

    def podman(self, recipe: Recipe) -> None:
        folder = self.store.folder
        self.shop.podman("build", "-q", "--layers", "-f", folder / recipe.dockerfile, "-t", "bench", folder)

    def umoci(self, recipe: Recipe) -> None:
        run("umoci", "init", "--layout", self.layout)
        run("umoci", "new", "--image", f"{self.layout}:v1")
        for package in recipe.packages:
            source = self.store.folder / "store" / package
            run("umoci", "insert", "--image", f"{self.layout}:v1", source, f"/store/{package}")

    def forget(self) -> None:
        """Everything that any of them has made."""
        shutil.rmtree(self.cache)
        self.cache.mkdir()
        for layout in (self.layout, self.stored_in):
            shutil.rmtree(layout, ignore_errors=True)
        for image in self.store.folder.glob("image.json"):
            image.unlink()
        if not self.shop.no_docker:
            self.shop.docker.forget_all()
        if not self.shop.no_podman:
            self.shop.podman("rmi", "--all", "--force")

    def ways(self, change: Iterator[Recipe] | None = None) -> list[Way]:
        """Each way for the image as it is, or for the next `change` of it, after it was built once."""
        programs = {OURS: (self.lamella, ""), STORED: (self.stored, ""), PLAIN: (self.plain, "")}
        programs |= {
            "docker build": (self.docker, self.shop.no_docker),
            "podman build": (self.podman, self.shop.no_podman),
        }
        return [
            Way(
                name,
                lambda build=build: build(next(change) if change else self.first),  # type: ignore[misc]
                lambda build=build: build(self.first),  # type: ignore[misc]
                absent,
            )
            for name, (build, absent) in programs.items()
        ]

    def cold(self) -> list[Way]:
        ways = [Way(way.name, way.act, self.forget, way.absent) for way in self.ways()]
        return [*ways, Way("umoci insert", lambda: self.umoci(self.first), self.forget, missing("umoci"))]

    def changes(self) -> Iterator[Recipe]:
        """A change that nobody has seen, each time."""
        return (self.store.changed(number) for number in self._changes)


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    made = Builders(shop, store_of(shop.place("build"), size.pick(200 << 20, 1 << 20), size.pick(PACKAGES, 2)))
    rounds = size.rounds(5)
    umoci = Way("umoci insert", lambda: None, absent=missing("umoci") or NO_CACHE)
    facts = f"{made.store.size / 1e6:.0f} MB in {len(made.store.packages)} folders"
    return facts, [
        race("nothing is known", made.cold(), rounds),
        race("nothing changed", [*made.ways(), umoci], rounds),
        race("one folder changed", [*made.ways(made.changes()), umoci], rounds),
    ]
