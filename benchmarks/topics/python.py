"""Python packages on top of a base image, beside a Dockerfile that installs them by pip or uv.

The wheels lie on the disk for all of them, and no network is used. A Dockerfile's packages are one layer, which
BuildKit and podman leave uncompressed until a push; lamella's are compressed already.
"""

import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import Shop, run

TITLE = "An image of Python packages"
STORED = "lamella, to an OCI layout"
FEW = ("pyyaml", "idna")
MANY = ("numpy", "pandas", "sqlalchemy", "django", "fastapi", "rich", "pyyaml", "boto3")
MORE = ("humanize", "colorama", "tabulate")
"""One package more for each round."""
BASE = """
name = "base"
deb = ["base-files", "libstdc++6", {python}]
files = [{{ from = "{uv}", to = "/usr/bin/uv" }}]
[config]
env = {{ PATH = "/usr/bin:/bin" }}
"""
SPEC = """
name = "bench"
base = "oci:base:v1"
files = ["app"]
[python]
version = "3.11"
libc = "manylinux_2_36"
packages = "/usr/local/lib/python3.11/dist-packages"
interpreter = "/usr/bin/python3.11"
[[layer]]
name = "packages"
pypi = {names}
layering = "size"
max_layers = 40
"""
INSTALL = {
    "pip": [
        "python3",
        "-m",
        "pip",
        "install",
        "-q",
        "--break-system-packages",
        "--no-cache-dir",
        "--root-user-action=ignore",
    ],
    "uv": ["uv", "pip", "install", "-q", "--system", "--break-system-packages", "--offline", "--no-cache"],
}
"""As a Dockerfile should install: what it leaves behind would be in the layer."""


class Python:
    """A folder with a base image, wheels and a program, and what makes an image of them."""

    def __init__(self, shop: Shop, size: Size) -> None:
        self.shop, self.folder, self.cache = shop, shop.place("python"), shop.place("cache")
        self.layout = self.folder / "layout"
        self.names = list(size.pick(MANY, FEW))
        self.more = list(MORE[: size.rounds(len(MORE))])
        self.installers = size.pick(("pip", "uv"), ("uv",))
        (self.folder / "app").mkdir()
        (self.folder / "app" / "main.py").write_text("print('hello')\n")
        self._make_base()
        self._fetch_wheels()

    def _make_base(self) -> None:
        """The image below, from Debian's packages, where all of them find it."""
        base = self.shop.place("base")
        python = '"python3", "python3-pip"' if "pip" in self.installers else '"python3"'
        (base / "lamella.toml").write_text(BASE.format(uv=Path(sys.executable).with_name("uv"), python=python))
        self.shop.lamella("lock", base, cache=self.cache)
        self.shop.lamella("copy", base, f"oci:{self.folder}/base:v1", cache=self.cache)
        if not self.shop.no_docker:
            self.shop.lamella("load", base, "--name", "base:v1", cache=self.cache)
        if not self.shop.no_podman:
            pulled = self.shop.podman("pull", "-q", f"oci:{self.folder}/base:v1").strip()
            self.shop.podman("tag", pulled, "localhost/base:v1")

    def _fetch_wheels(self) -> None:
        """By lamella, for all."""
        wheels = self.folder / "wheels"
        wheels.mkdir()
        self.ask([*self.names, *self.more])
        self.lock()
        self.lamella()
        lock = json.loads((self.folder / "lamella.lock").read_text())
        self.wheels = next(iter(lock["platforms"].values()))["python"]["wheels"]
        for wheel in self.wheels:
            shutil.copy(self.cache / "files" / wheel["sha256"], wheels / wheel["file"])

    def ask(self, names: list[str]) -> None:
        """The same packages are asked for in the spec and in each Dockerfile."""
        (self.folder / "lamella.toml").write_text(SPEC.format(names=json.dumps(names)))
        for installer in self.installers:
            install = json.dumps([*INSTALL[installer], "--no-index", "--find-links=/wheels", *names])
            mounted = f"FROM base:v1\nRUN --mount=type=bind,source=wheels,target=/wheels {install}\nCOPY app /app\n"
            (self.folder / f"{installer}.docker").write_text(mounted)
            (self.folder / f"{installer}.podman").write_text(f"FROM localhost/base:v1\nRUN {install}\nCOPY app /app\n")

    def lock(self) -> None:
        self.shop.lamella("lock", self.folder, cache=self.cache)

    def lock_by_uv(self) -> None:
        """To a file with hashes; what is in the packages' files is not looked at."""
        (self.folder / "requirements.in").write_text("\n".join([*self.names, self.more[0]]))
        words = ["pip", "compile", "-q", "requirements.in", "-o", "requirements.txt", "--generate-hashes"]
        run(sys.executable, "-m", "uv", *words, cwd=self.folder)

    def ask_and_not_lock(self) -> None:
        """As when a package was just added to the spec, and to a file of requirements."""
        self.ask(self.names)
        self.lock()
        self.ask([*self.names, self.more[0]])
        (self.folder / "requirements.txt").unlink(missing_ok=True)

    def lamella(self) -> None:
        self.shop.lamella("build", self.folder, cache=self.cache)

    def stored(self) -> None:
        """With the layers on the disk, as the other programs leave them."""
        self.shop.lamella("build", self.folder, "--to", f"oci:{self.layout}:v1", cache=self.cache)

    def docker(self, installer: str) -> None:
        self.shop.docker.build(self.folder, f"{installer}.docker", "bench")

    def podman(self, installer: str) -> None:
        words = ["build", "-q", "--layers", "--isolation", "chroot", "-v", f"{self.folder}/wheels:/wheels:ro"]
        self.shop.podman(*words, "-f", self.folder / f"{installer}.podman", "-t", "bench", self.folder)

    def forget(self) -> None:
        """All but the downloaded wheels and the base image."""
        for kept in self.cache.iterdir():
            if kept.name != "files":
                shutil.rmtree(kept)
        (self.folder / "image.json").unlink(missing_ok=True)
        shutil.rmtree(self.layout, ignore_errors=True)
        if not self.shop.no_docker:
            self.shop.docker("image", "rm", "--force", "bench")
            self.shop.docker("builder", "prune", "--all", "--force")
        if not self.shop.no_podman:
            for image in self.shop.podman("images", "-q", "--filter", "since=localhost/base:v1").split():
                self.shop.podman("rmi", "--force", image)

    def ways(self, before: Callable[[Callable[[], None], Iterator[int]], None]) -> list[Way]:
        """`before` is given how the program builds, and numbers that this program has not seen."""
        programs: dict[str, tuple[Callable[[], None], str]] = {OURS: (self.lamella, ""), STORED: (self.stored, "")}
        for installer in self.installers:
            programs[f"docker build, {installer}"] = (partial(self.docker, installer), self.shop.no_docker)
            programs[f"podman build, {installer}"] = (partial(self.podman, installer), self.shop.no_podman)
        return [_way(name, act, before, absent) for name, (act, absent) in programs.items()]

    def change_program(self, build: Callable[[], None], numbers: Iterator[int]) -> None:
        build()
        (self.folder / "app" / "main.py").write_text(f"print('hello {next(numbers)}')\n")

    def ask_for_more(self, build: Callable[[], None], numbers: Iterator[int]) -> None:
        self.ask_for(build, self.names)
        build()
        self.ask_for(build, [*self.names, self.more[next(numbers)]])

    def ask_for(self, build: Callable[[], None], names: list[str]) -> None:
        """Only lamella has a lock."""
        self.ask(names)
        if build in (self.lamella, self.stored):
            self.lock()


def _way(
    name: str, act: Callable[[], None], before: Callable[[Callable[[], None], Iterator[int]], None], absent: str
) -> Way:
    numbers = itertools.count()
    return Way(name, act, lambda: before(act, numbers), absent)


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    python = Python(shop, size)
    unpacked = sum(wheel["unpacked"] for wheel in python.wheels) / 1e6
    python.ask(python.names)
    python.lock()
    locking = [
        Way(OURS, python.lock, python.ask_and_not_lock),
        Way("uv pip compile", python.lock_by_uv, python.ask_and_not_lock),
    ]
    return f"{len(python.wheels)} packages, {unpacked:.0f} MB unpacked, on Debian's Python", [
        race("nothing is known", python.ways(lambda *_: python.forget()), size.rounds(3)),
        race("nothing changed", python.ways(lambda build, _: build()), size.rounds(5)),
        race("a line of the program changed", python.ways(python.change_program), size.rounds(5)),
        race("lock one package more", locking, size.rounds(3)),
        race("one package more, locked", python.ways(python.ask_for_more), size.rounds(3)),
    ]
