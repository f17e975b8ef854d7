"""Locks Nix packages: the store paths of the requirements and everything they refer to, by the hashes of their NARs."""

from collections.abc import Callable

from lamella.pipeline.lock.file import LockedNix, LockError
from lamella.pipeline.packages.nix import Asking, paths_of, roots_of
from lamella.pipeline.workplace import Workplace


def lock_nix(asked: Asking, known: LockedNix | None, upgraded: Callable[[str], bool], place: Workplace) -> LockedNix:
    """Resolve the requested packages; flakes of other machines stay as they are unless they are `upgraded`."""
    kept = {word: paths for word, paths in known.roots.items() if not upgraded(word)} if known else {}
    roots = roots_of(asked, LockedNix(asked=(), paths=(), roots=kept), place)
    paths = paths_of(roots, asked, place)
    bare = next((one.path for one in paths if not one.nar_hash), "")
    if bare:
        raise LockError(f"the hash of {bare} is unknown, so it cannot be locked")
    return LockedNix(
        asked=asked.words,
        paths=tuple(sorted(paths, key=lambda one: one.path)),
        roots={word: tuple(found) for word, found in sorted(roots.items())},
    )
