"""From a machine to a registry on loopback, gzip against gzip: for the first time, again, after a change, from an empty machine.

docker, podman and skopeo have the image before they push it, in plain layers; lamella has the packages and makes the
layers as it pushes. From an empty machine, docker and podman build before they push; docker is told of the image that is
in the registry as lamella is (`--cache-from`). lamella then has the closure's metadata, and of the packages only the
one that changed.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.material import PACKAGES, Recipe, Store, store_of
from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import Shop, missing

TITLE = "Push to a registry"
INLINE = ("--build-arg", "BUILDKIT_INLINE_CACHE=1")


@dataclass(frozen=True)
class Pusher:
    """One program: `ready` gives it what it pushes, `push` sends that; `empty` is all that an empty machine has to do."""

    shop: Shop
    store: Store
    cache: Path
    """What the program may remember."""

    name = ""

    @property
    def absent(self) -> str:
        return ""

    def ready(self, recipe: Recipe) -> None: ...

    def push(self, recipe: Recipe, target: str) -> None: ...

    def forget(self) -> None: ...

    def empty(self, recipe: Recipe, target: str, before: str) -> None:
        """Has forgotten all; `before` is in the registry."""
        self.push(recipe, target)


class Lamella(Pusher):
    name = OURS

    def push(self, recipe: Recipe, target: str) -> None:
        self.shop.lamella("push", recipe.spec, target, cache=self.cache)

    def cold(self, recipe: Recipe, target: str) -> None:
        self.shop.lamella("push", recipe.spec, target)

    def empty(self, recipe: Recipe, target: str, before: str) -> None:
        with self._without_known(recipe):
            self.shop.lamella("push", recipe.spec, target, "--cache-from", before)

    @contextmanager
    def _without_known(self, recipe: Recipe) -> Iterator[None]:
        """Only what changed is there."""
        known = [self.store.folder / "store" / package for package in recipe.packages[:-1]]
        for place in known:
            place.rename(f"{place}-hidden")
        yield
        for place in known:
            Path(f"{place}-hidden").rename(place)


class Skopeo(Pusher):
    name = "skopeo copy"

    @property
    def absent(self) -> str:
        return missing("skopeo")

    def ready(self, recipe: Recipe) -> None:
        if (self.cache / recipe.name).exists():
            return
        archive = self.cache / "archive"
        self.shop.lamella("copy", recipe.spec, f"docker-archive:{archive}:a:v1")
        words = (
            "--dest-oci-accept-uncompressed-layers",
            f"docker-archive:{archive}",
            f"oci:{self.cache}/{recipe.name}:v1",
        )
        self.shop.skopeo(self.cache, *words)
        archive.unlink()

    def push(self, recipe: Recipe, target: str) -> None:
        self._copy(recipe, target, self.cache)

    def empty(self, recipe: Recipe, target: str, before: str) -> None:
        self._copy(recipe, target, self.shop.place("cache"))

    def _copy(self, recipe: Recipe, target: str, cache: Path) -> None:
        self.shop.skopeo(cache, "--dest-tls-verify=false", f"oci:{self.cache}/{recipe.name}:v1", f"docker://{target}")


class Docker(Pusher):
    name = "docker push"

    @property
    def absent(self) -> str:
        return self.shop.no_docker

    def ready(self, recipe: Recipe) -> None:
        self.shop.docker.build(self.store.folder, recipe.dockerfile, f"ready:{recipe.name}", *INLINE)

    def push(self, recipe: Recipe, target: str) -> None:
        self.shop.docker("tag", f"ready:{recipe.name}", target)
        self.shop.docker("push", "-q", target)

    def forget(self) -> None:
        self.shop.docker.forget_all()

    def empty(self, recipe: Recipe, target: str, before: str) -> None:
        self.shop.docker.build(self.store.folder, recipe.dockerfile, target, *INLINE, "--cache-from", before)
        self.shop.docker("push", "-q", target)


class Podman(Pusher):
    name = "podman push"

    @property
    def absent(self) -> str:
        return self.shop.no_podman

    def ready(self, recipe: Recipe) -> None:
        folder = self.store.folder
        words = ("-q", "--layers", "-f", folder / recipe.dockerfile, "-t", f"ready:{recipe.name}", folder)
        self.shop.podman("build", *words)

    def push(self, recipe: Recipe, target: str) -> None:
        words = ("-q", "--tls-verify=false", f"ready:{recipe.name}", f"docker://{target}")
        self.shop.podman("push", *words)

    def forget(self) -> None:
        self.shop.podman("rmi", "--all", "--force")

    def empty(self, recipe: Recipe, target: str, before: str) -> None:
        self.ready(recipe)
        self.push(recipe, target)


class Race:
    """The tasks, each with a way for each program."""

    def __init__(self, shop: Shop, store: Store) -> None:
        self.shop, self.store = shop, store
        self.first = store.recipe()
        self.pushers = [kind(shop, store, shop.place("cache")) for kind in (Lamella, Skopeo, Docker, Podman)]
        self._changes = itertools.count(1)

    def cold(self) -> list[Way]:
        def way(pusher: Pusher) -> Way:
            host: list[str] = []

            def before() -> None:
                host[:] = [self.shop.new_registry()]
                pusher.ready(self.first)

            push = pusher.cold if isinstance(pusher, Lamella) else pusher.push
            return Way(pusher.name, lambda: push(self.first, f"{host[0]}/cold:v1"), before, pusher.absent)

        return [way(pusher) for pusher in self.pushers]

    def again(self, host: str) -> list[Way]:
        def way(pusher: Pusher) -> Way:
            target = self.target(pusher, host, "v1")

            def before() -> None:
                pusher.ready(self.first)
                pusher.push(self.first, target)

            return Way(pusher.name, lambda: pusher.push(self.first, target), before, pusher.absent)

        return [way(pusher) for pusher in self.pushers]

    def change(self, host: str) -> list[Way]:
        def way(pusher: Pusher) -> Way:
            now: list[Recipe] = []

            def before() -> None:
                now[:] = [self._changed()]
                pusher.ready(now[0])

            act = lambda: pusher.push(now[0], self.target(pusher, host, now[0].name))  # noqa: E731
            return Way(pusher.name, act, before, pusher.absent)

        return [way(pusher) for pusher in self.pushers]

    def empty(self, host: str) -> list[Way]:
        def way(pusher: Pusher) -> Way:
            now: list[Recipe] = []

            def before() -> None:
                now[:] = [self._changed()]
                if isinstance(pusher, Skopeo):
                    pusher.ready(now[0])
                pusher.forget()

            def act() -> None:
                pusher.empty(now[0], self.target(pusher, host, now[0].name), self.target(pusher, host, "v1"))

            name = pusher.name if isinstance(pusher, (Lamella, Skopeo)) else pusher.name.replace("push", "build, push")
            return Way(name, act, before, pusher.absent)

        return [way(pusher) for pusher in self.pushers]

    def _changed(self) -> Recipe:
        """A change that nobody has seen."""
        return self.store.changed(next(self._changes))

    def target(self, pusher: Pusher, host: str, tag: str) -> str:
        """Each program has a repository of its own."""
        return f"{host}/{pusher.name.split()[0]}:{tag}"


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    store = store_of(shop.place("push"), size.pick(200 << 20, 1 << 20), size.pick(PACKAGES, 2))
    facts = f"{store.size / 1e6:.0f} MB in {len(store.packages)} packages, a layer each"
    runs = Race(shop, store)
    if absent := missing("docker-registry"):
        ways = [Way(pusher.name, lambda: None, absent=absent) for pusher in runs.pushers]
        return facts, [race("all of it", ways, 0)]
    cold = race("the registry is empty", runs.cold(), size.rounds(5))
    host = shop.new_registry()
    return facts, [
        cold,
        race("nothing changed", runs.again(host), size.rounds(5)),
        race("one package changed", runs.change(host), size.rounds(5)),
        race("one package changed, on an empty machine", runs.empty(host), size.rounds(5)),
    ]
