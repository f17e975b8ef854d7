"""The Nix library as its users have it: a flake of images, with this checkout and the tests' packages as its inputs."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real.nix import DATA, DEBS, download
from tests.real.programs import absent, needs

PROJECT = Path(__file__).parents[2]
PARTS = ("default.nix", "flake.nix", "nix", "src", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Library:
    """A folder with the inputs, and flakes that use them."""

    folder: Path
    config: str = str(DATA)
    """Where Nix finds its configuration."""

    def nix(self, flake: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Nix, with the inputs in the place of those that the flake names."""
        command, *rest = words
        inputs = [("nixpkgs", "nixpkgs"), ("nix2container", "lamella")]
        given = [word for name, here in inputs for word in ("--override-input", name, f"path:{self.folder / here}")]
        environment = {**os.environ, "NIX_CONF_DIR": self.config, "LAMELLA_CACHE": str(self.folder / "cache"), **more}
        return subprocess.run(
            ["nix", command, *given, "--no-write-lock-file", *rest],
            cwd=flake,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def build(self, flake: Path, attribute: str) -> Path:
        """What an attribute of the flake is, built."""
        ran = self.nix(flake, "build", "--json", "--no-link", f"path:{flake}#{attribute}")
        assert ran.returncode == 0, ran.stderr
        return Path(json.loads(ran.stdout)[0]["outputs"]["out"])

    def run(self, flake: Path, attribute: str, *words: str, **more: str) -> str:
        """What a program of the flake says."""
        ran = self.nix(flake, "run", f"path:{flake}#{attribute}", "--", *words, **more)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout + ran.stderr

    def eval(self, flake: Path, attribute: str) -> Any:
        """The value of an attribute."""
        ran = self.nix(flake, "eval", "--json", f"path:{flake}#{attribute}")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)


def library(folder: Path, debs: Path) -> Library:
    """The inputs, in `folder`; `debs` keeps what packages are made from."""
    needs("nix", "patchelf", "dpkg-deb", "apt-get")
    if os.geteuid():
        absent("building into the Nix store needs root here")
    download(debs)
    packages = folder / "nixpkgs"
    shutil.copytree(DATA / "nixpkgs", packages)
    shutil.copy(DATA / "packages.nix", packages)
    (packages / "debs").mkdir()
    for name in DEBS:
        shutil.copy(next(debs.glob(f"{name}_*.deb")), packages / "debs")
    (packages / "here.nix").write_text(f'{{ debs = ./debs; python = "{sys.executable}"; }}\n')
    (folder / "lamella").mkdir()
    for part in PARTS:
        path = PROJECT / part
        if path.is_dir():
            shutil.copytree(path, folder / "lamella" / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / "lamella" / part)
    return Library(folder)
