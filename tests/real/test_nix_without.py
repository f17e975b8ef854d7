"""Packages of flakes, locked with Nix, and built without it from a cache that Nix filled: the same image."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.command import LAMELLA
from tests.index import Index, serving
from tests.real.library import Library
from tests.real.nix import DATA
from tests.real.programs import run
from tests.real.registries import real_registry

pytestmark = pytest.mark.real

FLAKE = """{
  inputs.nixpkgs.url = "path:NIXPKGS";
  outputs = { nixpkgs, ... }: let pkgs = import nixpkgs { system = "x86_64-linux"; }; in {
    packages.x86_64-linux.app = pkgs.writeShellScriptBin "app" "exec ${pkgs.hello}/bin/hello -g VERSION";
  };
}
"""
SPEC = """
name = "app"
platforms = ["linux/amd64"]
nix = [".#app", "path:NIXPKGS#legacyPackages.x86_64-linux.coreutils"]

[store]
caches = ["CACHE"]
keys = ["KEY"]
"""


@pytest.fixture
def work(nix: Library, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    run("nix-store", "--generate-binary-cache-key", "cache.example.org-1", tmp_path / "secret", tmp_path / "public")
    (folder / "flake.nix").write_text(FLAKE.replace("NIXPKGS", str(nix.folder / "nixpkgs")))
    spec = SPEC.replace("NIXPKGS", str(nix.folder / "nixpkgs")).replace("KEY", (tmp_path / "public").read_text())
    (folder / "lamella.toml").write_text(spec.replace("CACHE", (tmp_path / "cache").as_uri()))
    return folder


def lamella(folder: Path, *args: str, without: bool = False, code: int = 0) -> str:
    """With Nix and its store, or on a machine where there never was any."""
    command = [*LAMELLA, *args]
    path = os.environ["PATH"]
    if without:
        nothing = folder.parent / "nothing"
        (nothing / "bin").mkdir(parents=True, exist_ok=True)
        script = f'mount --bind {nothing} /nix && PATH={nothing}/bin exec "$@"'
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *command]
    kept = folder.parent / ("kept-without" if without else "kept")
    env = {**os.environ, "LAMELLA_CACHE": str(kept), "NIX_CONF_DIR": str(DATA), "PATH": path}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout or ran.stderr


def built(folder: Path, *, without: bool = False) -> Any:
    told = json.loads(lamella(folder, "build", "--json", without=without))
    return [told["config"], [layer["diff_id"] for layer in told["layers"]]]


def filled(folder: Path, compression: str) -> None:
    """The cache has all that is locked, as Nix copies it there."""
    (locked,) = json.loads((folder / "lamella.lock").read_text())["platforms"].values()
    paths = [one["path"] for one in locked["nix"]["paths"]]
    to = f"file://{folder.parent}/cache?compression={compression}&secret-key={folder.parent}/secret"
    run("nix", "copy", "--to", to, *paths, NIX_CONF_DIR=str(DATA))


@pytest.mark.parametrize("compression", ["xz", "zstd", "bzip2", "none"])
def test_the_same_image_without_nix(work: Path, compression: str) -> None:
    with_nix = built(work)
    lamella(work, "lock")
    assert str(work) not in (work / "lamella.lock").read_text()
    assert built(work) == with_nix
    filled(work, compression)
    assert built(work, without=True) == with_nix


def test_a_flake_that_has_changed_since_it_was_locked(work: Path) -> None:
    lamella(work, "lock")
    before = built(work)
    flake = work / "flake.nix"
    flake.write_text(flake.read_text().replace("VERSION", "other"))
    assert "but was locked as" in lamella(work, "build", code=3)
    assert "~ app (nix)" in lamella(work, "lock", "--diff")
    lamella(work, "lock")
    assert built(work) != before


def test_over_http_and_signed(work: Path, tmp_path: Path) -> None:
    lamella(work, "lock")
    filled(work, "zstd")
    paths = json.loads((work / "lamella.lock").read_text())["platforms"]["linux/amd64"]["nix"]["roots"]
    (app,) = paths[".#app"]
    wanted = built(work)
    (work / "lamella.lock").unlink()
    spec = (work / "lamella.toml").read_text()
    roots = json.dumps([path for found in paths.values() for path in found])
    with serving(Index(tmp_path / "cache")) as index:
        spec = spec.replace((tmp_path / "cache").as_uri(), f"http://127.0.0.1:{index.port}/plain")
        start = spec.index("nix = [")
        spec = spec[:start] + f"nix = {roots}" + spec[spec.index("\n", start) :]
        (work / "lamella.toml").write_text(spec)
        assert built(work, without=True) == wanted
        (work / "lamella.toml").write_text(spec.replace("cache.example.org-1:", "cache.example.org-2:"))
        said = lamella(work, "build", without=True, code=3)
        assert "signed by cache.example.org-1, but not by a trusted key" in said
    assert app in roots


def test_a_push_needs_neither_files_nor_a_cache_where_the_registry_remembers(work: Path, tmp_path: Path) -> None:
    lamella(work, "lock")
    with real_registry(tmp_path) as registry:
        assert "uploaded" in lamella(work, "push", ".", f"{registry}/app:v1", "--insecure")
        told = lamella(
            work, "push", ".", f"{registry}/app:v2", "--cache-from", f"{registry}/app:v1", "--insecure", without=True
        )
        assert "1 exists" in told
        assert "uploaded" not in told


def test_what_cannot_be_built(work: Path) -> None:
    spec = work / "lamella.toml"
    spec.write_text(spec.read_text().replace(".#app", ".#nothing"))
    said = lamella(work, "build", code=3)
    assert "does not provide attribute" in said
    assert said.count("\n") == 1
    said = lamella(work, "build", without=True, code=3)
    assert "the nix command is not installed" in said
