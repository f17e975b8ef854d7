"""Nix on this machine, used through its command: what installables build to, and what store paths refer to."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lamella.sources.locked import LockedPath
from lamella.sources.nix.graph import Facts, NixError, facts_in, is_store_path, paths_in

_NIX = ("nix", "--extra-experimental-features", "nix-command flakes")
_LONGEST_SAID = 400
_ORIGIN = "the output of nix path-info"


def is_here() -> bool:
    """Whether Nix is installed."""
    return shutil.which(_NIX[0]) is not None


def paths_of(roots: Sequence[str]) -> list[LockedPath]:
    """The closure of these paths, which must be in the store."""
    return paths_in(_told(roots, "--recursive", "--size"), _ORIGIN)


def facts_of(roots: Sequence[str]) -> list[Facts]:
    """The same, with the facts of each path."""
    return facts_in(_told(roots, "--recursive"), _ORIGIN)


def valid(paths: Sequence[str]) -> list[Facts]:
    """The facts of those paths that are valid in the store and were built there."""
    if not paths:
        return []
    command = ["nix-store", "--check-validity", "--print-invalid", *paths]
    invalid = set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())
    good = [path for path in paths if path not in invalid]
    return [one for one in facts_in(_told(good), _ORIGIN) if one.deriver]


def _told(paths: Sequence[str], *options: str) -> bytes:
    return _asked(["path-info", "--json", *options, *paths], paths[0]) if paths else b"[]"


def built(installables: Sequence[str], folder: Path, system: str) -> dict[str, list[str]]:
    """The store paths of each of `installables`, built or fetched by Nix; without a `system`, for this machine's.

    Flakes are relative to `folder`.
    """
    found = {}
    for one in installables:
        of = ["--system", system] if system else []
        told = _asked(["build", "--json", "--no-link", *of, "--", one], one, folder)
        found[one] = [path for item in json.loads(told) for path in _outputs(item)]
    return found


def _outputs(item: Mapping[str, Mapping[str, str]]) -> Sequence[str]:
    """The outputs of a derivation, or a path that needs no building."""
    return list(item["outputs"].values()) if "outputs" in item else [str(item["path"])]


def _asked(words: Sequence[str], what: str, folder: Path | None = None) -> bytes:
    if not is_here():
        raise NixError(
            f"{what} is needed, but the nix command is not installed; install Nix, name a cache in [store], or give "
            'the closure graph that Nix wrote: nix = [{ graph = "closure.json" }]'
        )
    ran = subprocess.run([*_NIX, *words], cwd=folder, capture_output=True, check=False)
    if ran.returncode:
        raise NixError(f"nix {words[0]} failed: {_said(ran.stderr.decode(errors='replace'))}")
    return ran.stdout


def _said(text: str) -> str:
    """Nix's last error with its hints, as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["it printed no error"]
    errors = [number for number, line in enumerate(lines) if line.startswith("error:")]
    return " ".join(lines[errors[-1] if errors else -1 :])[:_LONGEST_SAID]


def store_path(path: Path) -> str:
    """The store path that `path` is, or links to, as `./result` does."""
    real = str(path) if is_store_path(str(path)) else os.path.realpath(path)
    if not is_store_path(real):
        raise NixError(f"{path} is neither a Nix store path nor a link to one")
    return real
