"""What images are made of here: files of this machine, in folders that stand for packages."""

import json
import os
import shutil
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = 12


def small_files(to: Path, count: int) -> None:
    """`count` files of this Python's library, over again as often as it takes."""
    library = Path(sysconfig.get_paths()["stdlib"])
    found = sorted(path for path in library.rglob("*") if path.is_file())
    for number in range(count):
        source = found[number % len(found)]
        place = to / str(number // len(found)) / source.relative_to(library)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


def large_files(to: Path, size: int) -> None:
    """The largest shared objects of this machine that have room in `size` bytes."""
    found = [path for path in Path("/usr/lib").rglob("*.so*") if path.is_file() and not path.is_symlink()]
    to.mkdir()
    for number, path in enumerate(sorted(found, key=lambda path: (-path.stat().st_size, path))):
        if path.stat().st_size <= size:
            shutil.copyfile(path, to / f"{number}-{path.name}")
            size -= path.stat().st_size


def tiny_files(to: Path, count: int) -> None:
    """`count` files of a kilobyte, a hundred to a folder."""
    for number in range(count):
        folder = to / f"{number // 100:04}"
        if number % 100 == 0:
            folder.mkdir(parents=True)
        (folder / f"{number:06}").write_bytes(b"%06d" % number * 170)


@dataclass(frozen=True)
class Recipe:
    """One image in three languages, files in `folder`: packages that Nix knows, plain folders, and a Dockerfile."""

    folder: Path
    name: str
    packages: Sequence[str]

    @property
    def spec(self) -> Path:
        return self.folder / f"{self.name}.toml"

    @property
    def plain(self) -> Path:
        return self.folder / f"{self.name}-plain.toml"

    @property
    def dockerfile(self) -> str:
        return f"{self.name}.Dockerfile"


class Store:
    """Packages in a folder, and recipes for images that hold them, a layer for each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: list[str] = []
        (folder / "store").mkdir()

    def new(self) -> Path:
        """Where the next package goes; it is the top one from now on."""
        self.packages.append(self._name(len(self.packages)))
        return self.folder / "store" / self.packages[-1]

    @cached_property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in (self.folder / "store").rglob("*") if file.is_file())

    def recipe(self) -> Recipe:
        return self._written("v0", self.packages)

    def changed(self, number: int) -> Recipe:
        """The image with a small file more in its top package."""
        name = self._name(len(self.packages) + number)
        place = self.folder / "store" / name
        if not place.exists():
            shutil.copytree(self.folder / "store" / self.packages[-1], place, copy_function=os.link)
            (place / "new").write_text(f"change {number}")
        return self._written(f"v{number}", [*self.packages[:-1], name])

    def _name(self, number: int) -> str:
        return f"{number:032}-package-{number}"

    def _written(self, name: str, packages: Sequence[str]) -> Recipe:
        recipe = Recipe(self.folder, name, packages)
        paths = {package: self.folder / "store" / package for package in packages}
        graph = [
            {"path": str(path), "references": [], "narSize": 1, "narHash": f"sha256:{package[:32]:0>64}"}
            for package, path in paths.items()
        ]
        (self.folder / f"{name}.json").write_text(json.dumps(graph))
        layers, plain = [], []
        for number, (package, path) in enumerate(paths.items()):
            head = f'[[layer]]\nname = "l{number}"\n'
            layers.append(f'{head}nix = [{{ graph = "{name}.json", path = "{path}" }}]\n')
            plain.append(f'{head}files = [{{ from = "store/{package}", to = "/store/{package}" }}]\n')
        recipe.spec.write_text('name = "bench"\n' + "".join(layers))
        recipe.plain.write_text('name = "bench"\n' + "".join(plain))
        copies = [f"COPY store/{package} /store/{package}" for package in packages]
        (self.folder / recipe.dockerfile).write_text("\n".join(["FROM scratch", *copies, ""]))
        return recipe


def store_of(folder: Path, size: int, packages: int = PACKAGES) -> Store:
    """`packages` of about the same size, two of three with large files, the others with small ones."""
    store = Store(folder)
    for number in range(packages):
        place = store.new()
        if number % 3:
            large_files(place, size // packages)
        else:
            small_files(place, size // packages // 20_000)
    return store
