"""The Nix store of this machine as a cache: nothing is copied, and Nix is asked only once for each path."""

import hashlib
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lamella.server.nixcache.names import HASH, is_path, passing_url
from lamella.sources.nix import nar, store
from lamella.sources.nix.graph import STORE, Facts, NixError
from lamella.sources.nix.narinfo import NarInfo
from lamella.sources.spool import DamagedError
from lamella.staging import explained

_NAME = re.compile(rf"({HASH})-.+")
_MOST = 20_000
_SETTLED = 1.0
"""How many seconds old the last change of a folder must be to be distinguishable from the next."""


class LocalStore:
    """The paths in the store. Clients that want a path also want its references, so Nix is asked for whole closures."""

    def __init__(self) -> None:
        if not store.is_here():
            raise NixError("cannot serve the Nix store of this machine: the nix command is not installed; install Nix")
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._changed = 0
        self._facts: OrderedDict[str, Facts] = OrderedDict()

    def find(self, hashed: str) -> NarInfo | None:
        """Return the path with that hash, if it is complete."""
        with self._lock:
            path = self._path(hashed)
            if path is None or not os.path.lexists(path):
                return None
            if path not in self._facts:
                self._ask(path)
            told = self._facts.get(path)
        return _info(told) if told else None

    def forget(self, path: str) -> None:
        """Forget what Nix said about a path."""
        with self._lock:
            self._facts.pop(path, None)

    def _path(self, hashed: str) -> str | None:
        changed = Path(STORE).stat().st_mtime_ns
        if changed != self._changed:
            settled = time.time_ns() - changed > _SETTLED * 1e9
            found = (match for match in map(_NAME.fullmatch, os.listdir(STORE)) if match)  # noqa: PTH208
            self._names = {match[1]: match[0] for match in found if not match[0].endswith((".lock", ".chroot"))}
            self._changed = changed if settled else 0
        name = self._names.get(hashed)
        return f"{STORE}/{name}" if name and is_path(f"{STORE}/{name}") else None

    def _ask(self, path: str) -> None:
        try:
            told = store.facts_of([path])
        except NixError:
            return  # it is being built, or was left incomplete
        for one in told:
            self._facts[one.path.path] = one
        while len(self._facts) > max(_MOST, len(told)):
            self._facts.popitem(last=False)


def _info(told: Facts) -> NarInfo:
    path = told.path
    info = NarInfo(
        path=path.path,
        url="",
        compression="none",
        file_hash=path.nar_hash,
        file_size=path.size,
        nar_hash=path.nar_hash,
        nar_size=path.size,
        references=tuple(sorted(path.references)),
        signatures=told.signatures,
        deriver=told.deriver,
        ca=told.ca,
    )
    return msgspec.structs.replace(info, url=passing_url(info))


def dumped(info: NarInfo) -> Iterator[bytes]:
    """Yield the NAR of a store path; its end is held back until it is known to be what Nix says it is."""
    hashed, waiting = hashlib.sha256(), b""
    with explained(Path(info.path), "cannot read"):
        for block in nar.in_blocks(nar.dump(info.path)):
            hashed.update(block)
            if waiting:
                yield waiting
            waiting = block
    if hashed.hexdigest() != info.nar_hash:
        raise DamagedError(f"{info.path} is not what Nix says it is; run nix-store --verify-path {info.path}")
    yield waiting
