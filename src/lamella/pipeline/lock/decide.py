"""Locking: decides which packages meet a spec, once, with one user's indexes and registries, for all machines."""

from collections.abc import Callable

from lamella.oci.platforms import here, parse_platform, spelled
from lamella.oci.wire import Platform
from lamella.pipeline.find import open_base
from lamella.pipeline.lock.debs import lock_debian
from lamella.pipeline.lock.file import (
    Lock,
    LockedDebian,
    LockedNix,
    LockedPlatform,
    LockedPython,
    LockError,
    check_base,
    check_words,
    hashed_name,
    lock_path,
)
from lamella.pipeline.lock.paths import lock_nix
from lamella.pipeline.lock.wheels import lock_python
from lamella.pipeline.packages import debian, nix, python
from lamella.pipeline.workplace import Workplace
from lamella.spec.model import Spec

_Asking = python.Asking | debian.Asking | nix.Asking
_Locked = LockedPython | LockedDebian | LockedNix


def make_lock(spec: Spec, before: Lock, upgraded: Callable[[str], bool], place: Workplace) -> Lock:
    """Return the lock of `spec` for all its platforms. What was decided `before` stays unless it is `upgraded`."""
    old = before.platforms
    return Lock(
        platforms={
            spelled(one): _platform(spec, one, old.get(spelled(one)), upgraded, place) for one in _platforms(spec)
        }
    )


def check_lock(spec: Spec, lock: Lock | None) -> None:
    """Refuse a lock that does not match `spec`. Needs no network."""
    path = lock_path(spec)
    if lock is None:
        raise LockError(f"there is no {path}; run lamella lock")
    for wanted in _platforms(spec):
        found = lock.platforms.get(spelled(wanted), LockedPlatform())
        pairs: list[tuple[_Asking | None, _Locked | None]] = [
            (python.asking(spec, wanted), found.python),
            (debian.asking(spec), found.debian),
            (nix.asking(spec, wanted), found.nix),
        ]
        if any(asked and not locked for asked, locked in pairs):
            raise LockError(f"{path} is incomplete for {spelled(wanted)}; run lamella lock")
        check_base(found, spec.image.base)
        for asked, locked in pairs:
            if asked and locked:
                check_words(asked.words, locked.asked)


def _platforms(spec: Spec) -> list[Platform]:
    return [parse_platform(text) for text in spec.image.platforms] or [here()]


def _platform(
    spec: Spec, wanted: Platform, before: LockedPlatform | None, upgraded: Callable[[str], bool], place: Workplace
) -> LockedPlatform:
    wheels = python.asking(spec, wanted)
    debs = debian.asking(spec)
    paths = nix.asking(spec, wanted)
    known = before or LockedPlatform()
    old_wheels = _kept(known.python, upgraded)
    old = {one.name: one.version for one in (known.debian.debs if known.debian else ()) if not upgraded(one.name)}
    name = hashed_name(spec.image.base)
    stays = known.base and known.base_name == name and not upgraded("base")
    return LockedPlatform(
        base=known.base if stays else _base(spec, wanted, place),
        base_name=name,
        python=lock_python(wheels, spec.folder, old_wheels, place) if wheels else None,
        debian=lock_debian(debs, wanted, old, place) if debs else None,
        nix=lock_nix(paths, known.nix, upgraded, place) if paths else None,
    )


def _kept(known: LockedPython | None, upgraded: Callable[[str], bool]) -> LockedPython:
    """The part of a lock that stays."""
    old = known or LockedPython(asked=(), wheels=())
    return LockedPython(
        asked=(),
        wheels=tuple(one for one in old.wheels if not upgraded(one.name)),
        compiler="" if upgraded("python") else old.compiler,
    )


def _base(spec: Spec, wanted: Platform, place: Workplace) -> str:
    """The digest that the base's tag has now."""
    if not hashed_name(spec.image.base):
        return ""
    base = open_base(spec.image.base, spec.folder, wanted, place.outside)
    return base.root.digest if base and base.root else ""
