"""The local Nix store, and closure graphs that Nix wrote.

`nix path-info` and `exportReferencesGraph` tell of each path its references, size and NAR hash; they have changed
their JSON several times, and all shapes are read: a list of paths, an object keyed by path, and `{"info": {...}}`
keyed by the path's last part. No file of a path is read here.
"""

import base64
import binascii
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from lamella.closure import Closure, closure
from lamella.oci.digest import sha256
from lamella.package import Package
from lamella.sources.files import Memory, look_at
from lamella.sources.tree import SourceError

_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"
_STORE_NAME = re.compile(r"[0-9a-z]{32}-(?P<name>[^/]+)")
_COMMAND = ("nix", "--extra-experimental-features", "nix-command", "path-info", "--json", "--recursive", "--size")


class NixError(SourceError):
    """Nix is not there, does not know a path, or told something unreadable."""


def resolve(paths: Sequence[str], memory: Memory) -> Closure:
    """The closure of paths of the local store."""
    roots = list(dict.fromkeys(paths))
    if not roots:
        return closure((), ())
    if not shutil.which(_COMMAND[0]):
        raise NixError(
            f"{roots[0]} is wanted, but the nix command is not there to tell what it refers to; "
            'install Nix, or give the graph that it wrote: nix = [{ graph = "closure.json" }]'
        )
    import subprocess

    ran = subprocess.run([*_COMMAND, *roots], capture_output=True, check=False)
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise NixError(f"nix path-info failed: {said[-1]}")
    return _closure(ran.stdout, roots, "the output of nix path-info", memory)


def read_graph(file: Path, memory: Memory) -> Closure:
    """The closure in a graph file; its roots are the paths that nothing else refers to."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the closure graph {file}: {error.strerror}") from error
    return _closure(data, [], str(file), memory)


def of_graph(told: Sequence[dict[str, Any]], memory: Memory) -> Closure:
    """The closure in a graph that was read already."""
    return _closure(msgspec.json.encode(told), [], "the graph", memory)


def _closure(data: bytes, roots: list[str], origin: str, memory: Memory) -> Closure:
    try:
        packages = [_package(path, info, memory) for path, info in _paths(msgspec.json.decode(data))]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise NixError(f"{origin} is not a closure graph: {error}") from error
    if not roots:
        referred = {reference for package in packages for reference in package.references}
        roots = [package.id for package in packages if package.id not in referred]
    return closure(packages, roots)


def _is_graph(told: Any) -> bool:
    return isinstance(told, list) and bool(told) and all(isinstance(info, dict) and "path" in info for info in told)


def _paths(told: Any) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(told, list):
        return [(info["path"], info) for info in told]
    graphs = [found for found in told.values() if _is_graph(found)]
    if graphs:  # a builder's .attrs.json, which has them beside other attributes
        return [(info["path"], info) for found in graphs for info in found]
    store = f"{told['storeDir']}/" if "storeDir" in told else "/nix/store/"
    infos = told.get("info", told)
    found = []
    for name, info in infos.items():
        if info is None or info.get("valid") is False:
            raise NixError(f"{name} is not in the Nix store; build or fetch it first")
        whole = [reference if "/" in reference else store + reference for reference in info["references"]]
        found.append((name if "/" in name else store + name, {**info, "references": whole}))
    return found


def _package(path: str, info: dict[str, Any], memory: Memory) -> Package:
    """The package at `path`. A graph need not give hashes; then the path itself is looked at."""
    references = tuple(reference for reference in info["references"] if reference != path)
    told = info.get("narHash")
    content = (
        sha256(f"nix\0{path}\0{nar_hash(told).hex()}".encode())
        if told
        else look_at(Path(path), path, "", memory).content
    )
    return Package(path, name_of(path), content, int(info["narSize"]), references, "nix", path, path)


def nar_hash(text: str | dict[str, Any]) -> bytes:
    """The hash itself, from any of its spellings: `sha256:<base32>`, `sha256:<hex>`, SRI, or format 2's object."""
    if isinstance(text, dict):
        text = f"{text['algorithm']}{'-' if text['format'] == 'base64' else ':'}{text['hash']}"
    kind, mark, digits = text.partition("-" if text.startswith("sha256-") else ":")
    try:
        if kind != "sha256" or not mark:
            raise ValueError
        hashed = _decode(digits, sri=mark == "-")
    except (ValueError, binascii.Error) as error:
        raise NixError(f"{text!r} is not a SHA-256 hash as Nix writes them") from error
    return hashed


def _decode(digits: str, *, sri: bool) -> bytes:
    if sri:
        hashed = base64.b64decode(digits, validate=True)
    elif len(digits) == 64:
        hashed = bytes.fromhex(digits)
    else:
        number = 0
        for digit in digits:
            number = number * 32 + _BASE32.index(digit)
        hashed = number.to_bytes(33, "little")[:32]
    if len(hashed) != 32:
        raise ValueError
    return hashed


def name_of(path: str) -> str:
    """What stays of a store path's name when hash and version change: `glibc-2.36-dev` is `glibc-dev`."""
    match = _STORE_NAME.fullmatch(path.rpartition("/")[2])
    words = (match["name"] if match else path.rpartition("/")[2]).split("-")
    version = next((i for i, word in enumerate(words) if i and not word[:1].isalpha()), len(words))
    output = next((i for i, word in enumerate(words) if i > version and word[:1].isalpha()), len(words))
    return "-".join(words[:version] + words[output:])


def store_path(path: Path) -> str:
    """The store path that `path` is, or links to, as `./result` does."""
    real = path if _is_store_path(path) else Path(os.path.realpath(path))
    if not _is_store_path(real):
        raise NixError(f"{path} is not a path of the Nix store, nor a link to one")
    return str(real)


def _is_store_path(path: Path) -> bool:
    return path.is_absolute() and _STORE_NAME.fullmatch(path.name) is not None
