"""The most memory that a process needs to make one layer: of one huge file, and of very many tiny ones.

Docker's is that of its daemon, and what the daemon starts is not counted.
"""

import shutil
from pathlib import Path

from benchmarks.material import tiny_files
from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import LAMELLA, Shop, missing, peak, peak_of, run

TITLE = "Memory to make one layer"


class Makers:
    """What each program does to make an image of `folder`/files; each method gives megabytes."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY files /files\n")
        (folder / "lamella.toml").write_text('name = "bench"\nfiles = ["files"]\n')

    def lamella(self) -> float:
        cache = self.shop.place("cache")
        found = peak(*LAMELLA, "build", self.folder, "-q", env=self.shop.environment(cache))
        shutil.rmtree(cache)
        return found

    def tar(self) -> float:
        """The larger of two; a shell does not count."""
        return peak("sh", "-c", f"tar -C {self.folder} -c files | gzip -1 | sha256sum")

    def umoci(self) -> float:
        layout = self.folder / "layout"
        run("umoci", "init", "--layout", layout)
        run("umoci", "new", "--image", f"{layout}:v1")
        found = peak("umoci", "insert", "--image", f"{layout}:v1", self.folder / "files", "/files")
        shutil.rmtree(layout)
        return found

    def podman(self) -> float:
        words = ["build", "-q", "--no-cache", "-t", "bench", self.folder]
        return peak("podman", *self.shop.store, *words, env=self.shop.podman_environment)

    def docker(self) -> float:
        daemon = self.shop.docker.pid
        self.shop.docker.forget_all()
        peak_of(daemon, anew=True)
        self.shop.docker.build(self.folder, "Dockerfile", "bench", "--no-cache")
        return peak_of(daemon)

    def ways(self) -> list[Way]:
        programs = {
            OURS: (self.lamella, ""),
            "tar | gzip": (self.tar, missing("tar", "gzip")),
            "umoci insert": (self.umoci, missing("umoci")),
            "podman build": (self.podman, self.shop.no_podman),
            "docker build": (self.docker, self.shop.no_docker),
        }
        return [Way(name, act, absent=absent) for name, (act, absent) in programs.items()]


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    huge, count = size.pick(512 << 20, 1 << 20), size.pick(50_000, 100)
    places = {name: shop.place("memory") for name in ("file", "files")}
    (places["file"] / "files").mkdir()
    with (places["file"] / "files" / "huge").open("wb") as file:
        file.truncate(huge)
    tiny_files(places["files"] / "files", count)
    tasks = {f"one file of {huge >> 20} MiB": places["file"], f"{count:,} files": places["files"]}
    rounds = size.rounds(3)
    return "", [race(name, Makers(shop, place).ways(), rounds, unit="MB") for name, place in tasks.items()]
