"""The Nix packages that a spec requests, as its lock, the Nix on this machine, or caches resolve them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamella.closure import Closure, restrict
from lamella.oci.image import Steps
from lamella.oci.wire import Platform
from lamella.pipeline.lock.file import LockedNix, LockError, check_words
from lamella.pipeline.packages.caches import caches_of
from lamella.pipeline.workplace import Workplace
from lamella.sources.locked import LockedPath
from lamella.sources.nix import graph, store
from lamella.sources.nix.graph import is_store_path
from lamella.spec.model import Spec
from lamella.spec.wants import NixWant, Want

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l"}


@dataclass(frozen=True)
class Asking:
    """What a spec requests, except graphs, which are complete by themselves."""

    words: tuple[str, ...]
    folder: Path
    system: str
    caches: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def local(self) -> list[str]:
        """The words whose meaning may change on this machine: links, and local flakes."""
        return [word for word in self.words if not is_store_path(word) and not _is_pinned(word)]


def asking(spec: Spec, platform: Platform) -> Asking | None:
    """Return what `spec` requests on `platform`; None if it has no Nix packages."""
    words = {want.path for want in _wants(spec) if not want.graph}
    told = spec.image.store
    system = system_of(platform)
    return Asking(tuple(sorted(words)), spec.folder, system, tuple(told.caches), tuple(told.keys)) if words else None


def system_of(platform: Platform) -> str:
    """Return Nix's name of a platform."""
    return f"{_MACHINES.get(platform.architecture, platform.architecture)}-{platform.os}"


def closures(spec: Spec, platform: Platform, locked: LockedNix | None, place: Workplace) -> dict[Want, Closure]:
    """Return the closure of each want."""
    asked = asking(spec, platform)
    found: dict[Want, Closure] = {}
    if asked:
        if locked:
            check_words(asked.words, locked.asked)
        roots = roots_of(asked, locked, place)
        if locked:
            _check_drift(roots, locked)
        paths = locked.paths if locked else paths_of(roots, asked, place)
        whole = graph.closure_of(paths, [path for word in asked.words for path in roots[word]], place.records)
        found = {want: restrict(whole, roots[want.path]) for want in _wants(spec) if not want.graph}
    graphs = {
        name: graph.read_graph(spec.folder / name, place.records) for name in {w.graph for w in _wants(spec)} - {""}
    }
    for want in _wants(spec):
        if want.graph:
            told = graphs[want.graph]
            found[want] = restrict(told, [store.store_path(spec.folder / want.path)] if want.path else told.roots)
    return found


def roots_of(asked: Asking, locked: LockedNix | None, place: Workplace) -> dict[str, Sequence[str]]:
    """Return the store paths that words stand for: now, if that can be found out here, else as locked."""
    known: Mapping[str, Sequence[str]] = locked.roots if locked else {}
    found: dict[str, Sequence[str]] = {word: [word] for word in asked.words if is_store_path(word)}
    flakes = []
    for word in asked.words:
        link = asked.folder / word
        if word in found:
            continue
        if "#" in word:
            if word in known and (word not in asked.local or not store.is_here()):
                found[word] = known[word]
            else:
                flakes.append(word)
        elif word in known and not os.path.lexists(link):
            found[word] = known[word]
        else:
            found[word] = [store.store_path(link)]
    if flakes:
        place.progress(Steps("asking Nix"), 0, len(flakes))
        found |= store.built(flakes, asked.folder, asked.system)
        place.progress(Steps("asking Nix"), len(flakes), len(flakes))
    return found


def paths_of(roots: Mapping[str, Sequence[str]], asked: Asking, place: Workplace) -> list[LockedPath]:
    """Return everything in the closures of `roots`, from this machine's store or from caches."""
    wanted = list(dict.fromkeys(path for paths in roots.values() for path in paths))
    if store.is_here() and all(map(os.path.lexists, wanted)):
        return store.paths_of(wanted)
    caches = caches_of(asked.caches, asked.keys, place)
    return caches.closure(wanted) if caches.addresses else store.paths_of(wanted)


def _check_drift(roots: Mapping[str, Sequence[str]], locked: LockedNix) -> None:
    for word, paths in roots.items():
        was = locked.roots.get(word, ())
        if tuple(paths) != tuple(was):
            raise LockError(f"{word} is now {', '.join(paths)}, but was locked as {', '.join(was)}; run lamella lock")


def _is_pinned(word: str) -> bool:
    """Whether a flake is remote: its meaning changes only with the lock."""
    return "#" in word and not word.startswith((".", "/", "path:", "git+file:", "#"))


def _wants(spec: Spec) -> list[NixWant]:
    return [want for want in spec.image.all_taken if isinstance(want, NixWant)]


def store_paths(words: Sequence[str], folder: Path) -> list[str]:
    """Return the paths in the local store that `words` mean: paths, links, packages of flakes."""
    flakes = [word for word in words if "#" in word]
    built = store.built(flakes, folder, "") if flakes else {}
    found = [path for word in words for path in built.get(word) or [store.store_path(folder / word)]]
    return list(dict.fromkeys(found))


def in_store() -> set[str]:
    """Return the names in the local store."""
    return set(os.listdir(graph.STORE)) if os.path.isdir(graph.STORE) else set()  # noqa: PTH112, PTH208


def built_since(before: set[str]) -> list[str]:
    """Return the valid paths that were built since `before`."""
    new = [f"{graph.STORE}/{name}" for name in sorted(in_store() - before)]
    return [one.path.path for one in store.valid([path for path in new if is_store_path(path) and _is_output(path)])]


def _is_output(path: str) -> bool:
    return not path.endswith((".drv", ".lock", ".chroot"))
