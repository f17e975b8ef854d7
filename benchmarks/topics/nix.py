"""Nix packages to caches and registries, beside Nix itself, and beside an archive that Nix writes and skopeo pushes.

The packages are those of the tests, made from Debian's: python3, bash, coreutils and hello, with all they refer to.
"""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import OURS, Size, Task, Way, race
from benchmarks.shop import LAMELLA, Shop, missing, run
from tests.real.library import library
from tests.real.nix import DATA, nix_packages

TITLE = "Binary caches of Nix, and images from flakes"
ROOT = Path(__file__).parents[2]
ARCHIVE = """
  # One layer with all of it, in an archive in the store.
  archive = pkgs.runCommand "archive.tar" { exportReferencesGraph = [ "graph" (pkgs.writeText "c" "${pkgs.python3} ${app}") ]; } ''
    tar -cf layer.tar $(grep '^/nix/store' graph | sort -u) 2>/dev/null
    sum=$(sha256sum layer.tar | cut -d' ' -f1)
    printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $sum > config.json
    printf '%s' '[{"Config":"config.json","RepoTags":["app:v1"],"Layers":["layer.tar"]}]' > manifest.json
    tar -cf $out manifest.json config.json layer.tar
  '';
}
"""


class Nix:
    """The packages, two caches in folders, a flake that makes an image of the packages, and a registry."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.folder = shop, shop.place("nix")
        debs = ROOT / ".pytest_cache" / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        packages = nix_packages(debs)
        self.paths = [packages.python3, packages.bash, packages.coreutils, packages.hello]
        self.library = library(self.folder, debs)
        self.run("nix-store", "--generate-binary-cache-key", "bench-1", self.folder / "secret", self.folder / "public")
        self.count = len(self.run("nix-store", "--query", "--requisites", *self.paths).split())
        self.app = self.folder / "app"
        shutil.copytree(ROOT / "examples" / "nix", self.app)
        images = self.app / "images.nix"
        images.write_text(images.read_text().rstrip().removesuffix("}") + ARCHIVE)
        self.registry = shop.new_registry()

    def run(self, *command: object) -> str:
        env = {"NIX_CONF_DIR": str(DATA), "LAMELLA_CACHE": str(self.folder / "kept")}
        return run(*command, cwd=self.folder, env=env)

    def forget(self) -> None:
        for name in ("ours", "theirs", "kept"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def forget_taken(self) -> None:
        run("rm", "-rf", self.folder / "unpacked", self.folder / "store", self.folder / "kept")

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
        images = self.app / "images.nix"
        images.write_text(re.sub(r'print\("\d*', f'print("{time.time_ns()}', images.read_text()))

    def push(self) -> None:
        words = ["--dest-tls-verify=false", f"docker://{self.registry}/app:v1"]
        self.library.run(self.app, "uwsgi.copyToRegistry", *words)

    def push_archive(self) -> None:
        """What Nix writes into its store, and skopeo from there."""
        archive = self.library.build(self.app, "archive")
        words = ("--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{self.registry}/archive:v1")
        self.shop.skopeo(self.folder, *words)


def measure(shop: Shop, size: Size) -> tuple[str, list[Task]]:
    absent = missing("nix", "patchelf", "apt-get", "docker-registry") or ("it needs root" if os.geteuid() else "")
    names = ("fill an empty cache", "fill it again", "take a closure", "one file of an image changed")
    if absent:
        return "", [race(name, [Way(OURS, lambda: None, absent=absent)], 0) for name in names]
    nix, rounds = Nix(shop), size.rounds(5)
    nix.push()

    def beside_nix(ours: Callable[[], None], theirs: Callable[[], None], before: Callable[[], None]) -> list[Way]:
        return [Way(OURS, ours, before), Way("nix copy", theirs, before)]

    filling = (nix.fill, nix.fill_by_nix)
    tasks = [
        race(names[0], beside_nix(*filling, nix.forget), rounds),
        race(names[1], [Way(OURS, nix.fill, nix.fill), Way("nix copy", nix.fill_by_nix, nix.fill_by_nix)], rounds),
        race(names[2], beside_nix(nix.take, nix.take_by_nix, nix.forget_taken), rounds),
    ]
    ways = [
        Way(OURS, nix.push, nix.change),
        Way("archive, skopeo copy", nix.push_archive, nix.change, missing("skopeo")),
    ]
    tasks.append(race(names[3], ways, rounds))
    nix.forget_taken()
    return f"{nix.count} store paths, signed, zstd", tasks
