"""Fills a binary cache with the missing part of a closure: compresses and signs paths, and lists them at the end.

A cache that lists a path has everything it refers to. So nothing below a listed path need be checked, and new paths are
listed after those they refer to: a killed run leaves a valid cache, and the next one continues.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import msgspec

from lamella.layers.compress import compressor
from lamella.oci.image import Progress, Steps
from lamella.sources.nix import nar, store
from lamella.sources.nix.graph import Facts, NixError, base32
from lamella.sources.nix.narinfo import NarInfo, SecretKey, narinfo_name, written
from lamella.transport.depot import Depot

_AT_ONCE = 8
_ENDINGS = {"zstd": ".zst", "none": ""}
_INFO = "nix-cache-info"
_ABOUT = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"


@dataclass(frozen=True)
class Filled:
    """The result: paths that were sent, with the bytes of their files, and how many existed or were left out."""

    sent: Mapping[str, int]
    there: int
    left_out: int


@dataclass(frozen=True)
class Filling:
    """A cache, the key that signs new paths, and what is left out."""

    depot: Depot
    key: SecretKey | None
    compression: str
    progress: Progress
    exclude: Sequence[str] = ()
    signed_by: Sequence[str] = ()
    """Names of keys: paths that they have signed are in other caches, and are left out."""

    def fill(self, told: Sequence[Facts], roots: Sequence[str]) -> Filled:
        """Send what is missing of the closure of `roots`; `told` describes all its paths."""
        known = {one.path.path: one for one in told}
        wanted = {path for path, one in known.items() if not self._stays_out(one)}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            missing = self._missing([root for root in roots if root in known], known, wanted, pool)
            if missing:
                self._tell_of_itself()
            sent = self._send([known[path] for path in _ordered(missing, known)], pool)
        return Filled(sent, len(wanted) - len(missing), len(known) - len(wanted))

    def _stays_out(self, one: Facts) -> bool:
        name = one.path.path.rpartition("/")[2][33:]
        signers = {signature.partition(":")[0] for signature in one.signatures}
        return any(fnmatch(name, pattern) for pattern in self.exclude) or bool(signers & set(self.signed_by))

    def _missing(
        self, roots: Sequence[str], known: Mapping[str, Facts], wanted: set[str], pool: ThreadPoolExecutor
    ) -> set[str]:
        """The paths that the cache does not list; nothing below a listed path is checked."""
        missing: set[str] = set()
        seen: set[str] = set()
        waiting = set(roots)
        while waiting:
            seen |= waiting
            batch = sorted(waiting & wanted)
            lost = [path for path, there in zip(batch, pool.map(self._has, batch), strict=True) if not there]
            missing |= set(lost)
            open_ones = [*lost, *(waiting - wanted)]
            waiting = {name for path in open_ones for name in known[path].path.references if name in known} - seen
        return missing

    def _has(self, path: str) -> bool:
        return self.depot.has(narinfo_name(path))

    def _tell_of_itself(self) -> None:
        if self.depot.read(_INFO) is None:
            self._write(_INFO, _ABOUT.encode(), "text/x-nix-cache-info")

    def _send(self, ordered: Sequence[Facts], pool: ThreadPoolExecutor) -> dict[str, int]:
        """Send paths in parallel; references come first, so no thread waits for one that has not begun."""
        sizes: dict[str, Future[int]] = {}
        try:
            for one in ordered:
                below = [sizes[name] for name in one.path.references if name in sizes]
                sizes[one.path.path] = pool.submit(self._send_one, one, below)
            done = {}
            for path, future in sizes.items():
                done[path] = future.result()
                self.progress(Steps("filling the cache"), len(done), len(sizes))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return done

    def _send_one(self, one: Facts, below: Sequence["Future[int]"]) -> int:
        path = one.path
        with tempfile.NamedTemporaryFile(prefix="lamella-") as file:
            info = self._packed(one, file.write)
            file.flush()
            if not self.depot.has(info.url):
                self.depot.write(info.url, Path(file.name), "application/x-nix-nar")
        if self.key:
            signatures = dict.fromkeys([*info.signatures, self.key.sign(info)])
            info = msgspec.structs.replace(info, signatures=tuple(signatures))
        for future in below:
            future.result()
        self._write(narinfo_name(path.path), written(info).encode(), "text/x-nix-narinfo")
        return info.file_size

    def _packed(self, one: Facts, write: Callable[[bytes], object]) -> NarInfo:
        """Write the compressed NAR; return its description."""
        path = one.path
        plain, packed, nar_size, file_size = hashlib.sha256(), hashlib.sha256(), 0, 0
        stream = compressor(self.compression).start()
        for block in nar.in_blocks(nar.dump(path.path)):
            plain.update(block)
            nar_size += len(block)
            out = bytes(stream.compress(memoryview(block)))
            packed.update(out)
            file_size += len(out)
            write(out)
        out = stream.flush()
        packed.update(out)
        write(out)
        if (plain.hexdigest(), nar_size) != (path.nar_hash, path.size):
            raise NixError(f"{path.path} does not match its hash in Nix; run nix-store --verify-path {path.path}")
        return NarInfo(
            path=path.path,
            url=f"nar/{base32(packed.digest())}.nar{_ENDINGS[self.compression]}",
            compression=self.compression,
            file_hash=packed.hexdigest(),
            file_size=file_size + len(out),
            nar_hash=path.nar_hash,
            nar_size=nar_size,
            references=tuple(sorted(path.references)),
            signatures=one.signatures,
            deriver=one.deriver,
            ca=one.ca,
        )

    def _write(self, name: str, data: bytes, media_type: str) -> None:
        with tempfile.NamedTemporaryFile(prefix="lamella-") as file:
            file.write(data)
            file.flush()
            self.depot.write(name, Path(file.name), media_type)


def _ordered(paths: set[str], known: Mapping[str, Facts]) -> list[str]:
    """Each path after all that it refers to, otherwise by name."""
    below = {path: sorted(paths & set(known[path].path.references) - {path}) for path in sorted(paths)}
    return list(TopologicalSorter(below).static_order())


def secret_key(text: str) -> SecretKey:
    """Return the key from the text of a file that Nix wrote."""
    return SecretKey(text)


def fill_from_store(filling: Filling, paths: Sequence[str]) -> Filled:
    """Send the closures of paths in this machine's store."""
    return filling.fill(store.facts_of(paths), paths)
