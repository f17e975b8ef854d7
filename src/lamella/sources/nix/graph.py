"""Closure graphs that Nix wrote.

`nix path-info` and `exportReferencesGraph` give the references, size and NAR hash of each path. Their JSON has changed
several times, and all forms are read: a list of paths, an object with paths as keys, and `{"info": {...}}` with the
last parts of paths as keys. No file of a path is read here.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lamella.closure import Closure, closure
from lamella.oci.digest import Digest, sha256
from lamella.package import Package
from lamella.sources.files import Memory, look_at
from lamella.sources.locked import LockedPath
from lamella.sources.tree import SourceError

STORE = "/nix/store"
_BASE32 = "0123456789abcdfghijklmnpqrsvwxyz"
_STORE_NAME = re.compile(r"[0-9a-z]{32}-(?P<name>[^/]+)")


class NixError(SourceError):
    """Nix is not installed, does not know a path, or gave unreadable output."""


def read_graph(file: Path, memory: Memory) -> Closure:
    """The closure in a graph file; its roots are the paths that no other refers to."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the closure graph {file}: {error.strerror}") from error
    return closure_of(paths_in(data, str(file)), (), memory)


def paths_in(data: bytes, origin: str) -> list[LockedPath]:
    """The paths in JSON from Nix."""
    try:
        return [_path(path, info) for path, info in _infos(msgspec.json.decode(data))]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NixError(f"{origin} is not a closure graph: {error}") from error


class Facts(NamedTuple):
    """A path with more facts from Nix: what built it, and who signed it."""

    path: LockedPath
    deriver: str
    signatures: tuple[str, ...]
    ca: str
    """The content address of a path that needs no signature."""


def facts_in(data: bytes, origin: str) -> list[Facts]:
    """The facts in JSON from Nix."""
    paths = paths_in(data, origin)
    infos = [info for _, info in _infos(msgspec.json.decode(data))]
    return [_facts(path, info) for path, info in zip(paths, infos, strict=True)]


def _facts(path: LockedPath, info: dict[str, Any]) -> Facts:
    signatures = tuple(map(str, info.get("signatures") or ()))
    told = info.get("ca")
    return Facts(path, str(info.get("deriver") or ""), signatures, told if isinstance(told, str) else "")


def closure_of(paths: Sequence[LockedPath], roots: Sequence[str], memory: Memory) -> Closure:
    """The closure of these paths; without `roots`, the roots are the paths that no other refers to."""
    if not roots:
        referred = {reference for one in paths for reference in one.references if reference != one.path}
        roots = [one.path for one in paths if one.path not in referred]
    return closure([_package(one, memory) for one in paths], roots)


def _package(one: LockedPath, memory: Memory) -> Package:
    """If the graph has no hash, the path itself is looked at."""
    known = (
        content_of(one.path, one.nar_hash) if one.nar_hash else look_at(Path(one.path), one.path, "", memory).content
    )
    references = tuple(reference for reference in one.references if reference != one.path)
    return Package(one.path, name_of(one.path), known, one.size, references, "nix", one.path, one.path)


def content_of(path: str, nar_hash: str) -> Digest:
    """The content of a store path with that NAR hash, for the layer key: the same whatever its source."""
    return sha256(f"nix\0{path}\0{nar_hash}".encode())


def _is_graph(told: Any) -> bool:
    return isinstance(told, list) and bool(told) and all(isinstance(info, dict) and "path" in info for info in told)


def _infos(told: Any) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(told, list):
        return [(info["path"], info) for info in told]
    graphs = [found for found in told.values() if _is_graph(found)]
    if graphs:  # a builder's .attrs.json, with other attributes beside them
        return [(info["path"], info) for found in graphs for info in found]
    store = f"{told['storeDir']}/" if "storeDir" in told else f"{STORE}/"
    infos = told.get("info", told)
    found = []
    for name, info in infos.items():
        if info is None or info.get("valid") is False:
            raise NixError(f"{name} is not in the Nix store; build or fetch it first")
        whole = [reference if "/" in reference else store + reference for reference in info["references"]]
        found.append((name if "/" in name else store + name, {**info, "references": whole}))
    return found


def _path(path: str, info: dict[str, Any]) -> LockedPath:
    told = info.get("narHash")
    return LockedPath(
        path=path,
        nar_hash=nar_hash(told).hex() if told else "",
        size=int(info["narSize"]),
        references=tuple(info["references"]),
    )


def nar_hash(text: str | dict[str, Any]) -> bytes:
    """The hash, from any spelling: `sha256:<base32>`, `sha256:<hex>`, SRI, or format 2's object."""
    if isinstance(text, dict):
        text = f"{text['algorithm']}{'-' if text['format'] == 'base64' else ':'}{text['hash']}"
    kind, mark, digits = text.partition("-" if text.startswith("sha256-") else ":")
    try:
        if kind != "sha256" or not mark:
            raise ValueError
        hashed = _decode(digits, sri=mark == "-")
    except (ValueError, binascii.Error) as error:
        raise NixError(f"{text!r} is not a SHA-256 hash in Nix's format") from error
    return hashed


def _decode(digits: str, *, sri: bool) -> bytes:
    if sri:
        hashed = base64.b64decode(digits, validate=True)
    elif len(digits) == 64:
        hashed = bytes.fromhex(digits)
    else:
        if len(digits) != 52 or digits[0] not in "01":  # 260 bits, of which the hash has 256
            raise ValueError
        number = 0
        for digit in digits:
            number = number * 32 + _BASE32.index(digit)
        hashed = number.to_bytes(32, "little")
    if len(hashed) != 32:
        raise ValueError
    return hashed


def base32(data: bytes) -> str:
    """Nix's spelling of hashes, with the least significant digit last."""
    number = int.from_bytes(data, "little")
    length = (len(data) * 8 + 4) // 5
    return "".join(_BASE32[number >> 5 * place & 31] for place in reversed(range(length)))


def name_of(path: str) -> str:
    """The name of a store path without hash and version: `glibc-2.36-dev` is `glibc-dev`."""
    match = _STORE_NAME.fullmatch(path.rpartition("/")[2])
    words = (match["name"] if match else path.rpartition("/")[2]).split("-")
    version = next((i for i, word in enumerate(words) if i and not word[:1].isalpha()), len(words))
    output = next((i for i, word in enumerate(words) if i > version and word[:1].isalpha()), len(words))
    return "-".join(words[:version] + words[output:])


def is_store_path(path: str) -> bool:
    """Whether it is exactly a store path, not something below one, without `.` and `..`."""
    root, *folders, name = path.split("/") if "/" in path else ("-", path)
    return not root and not {"", ".", ".."} & set(folders) and _STORE_NAME.fullmatch(name) is not None
