"""`lamella.lock`: the packages that meet a spec's requirements, for every platform, by hash. It has no host names."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from lamella.errors import LamellaError
from lamella.oci.digest import parse_digest
from lamella.oci.platforms import spelled
from lamella.oci.reference import DOCKER, parse_place
from lamella.oci.wire import Platform, decode
from lamella.sources.locked import Exact, LockedDeb, LockedPath, LockedWheel
from lamella.spec.model import Spec
from lamella.staging import explained, write_file

_VERSION = 1


class LockError(LamellaError):
    """A lock is missing, cannot be read, or does not match its spec."""

    exit_code = 3


class LockedPython(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The requirements as written, and the wheels for them; `compiler` is the Python version that compiles modules."""

    asked: tuple[str, ...]
    wheels: tuple[LockedWheel, ...]
    compiler: Exact = ""


class LockedDebian(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same for Debian packages. `roots` are the packages that each name stands for."""

    asked: tuple[str, ...]
    debs: tuple[LockedDeb, ...]
    roots: dict[str, tuple[str, ...]] = {}


class LockedNix(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same for Nix packages. `roots` are the store paths that each requirement stands for."""

    asked: tuple[str, ...]
    paths: tuple[LockedPath, ...]
    roots: dict[str, tuple[str, ...]] = {}


class LockedPlatform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is decided for one platform. `base` is the digest of the base image, `base_name` identifies which one."""

    base: str = ""
    base_name: str = ""
    python: LockedPython | None = None
    debian: LockedDebian | None = None
    nix: LockedNix | None = None

    def pinned(self, base: str) -> str:
        """Return the place of the base image, with the locked digest."""
        place = parse_place(base) if base and self.base else None
        return str(replace(place, name=self.base)) if place and place.kind == DOCKER else base


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    version: int = _VERSION
    platforms: dict[str, LockedPlatform] = {}


def lock_path(spec: Spec) -> Path:
    """Return the path of the lock of `spec`: beside it, with its name."""
    return spec.file.with_suffix(".lock") if spec.file else spec.folder / "lamella.lock"


def read_lock(path: Path) -> Lock | None:
    """Read the lock at `path`; None if it does not exist."""
    with explained(path, "cannot read"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    lock = decode(data, Lock, str(path))
    if lock.version != _VERSION:
        raise LockError(f"{path} has version {lock.version}, and this lamella supports {_VERSION}; update lamella")
    for platform in lock.platforms.values():
        _check(platform, path)
    return lock


def _check(platform: LockedPlatform, path: Path) -> None:
    """Refuse a lock that `lock` would not have written."""
    if platform.base:
        parse_digest(platform.base)
    wheels = platform.python.wheels if platform.python else ()
    debs = platform.debian.debs if platform.debian else ()
    paths = platform.nix.paths if platform.nix else ()
    for what, packages in (("wheel", wheels), ("deb", debs), ("store path", paths)):
        count = Counter(one.name for one in packages)
        twice = [name for name in count if count[name] > 1]
        lost = {name for one in packages for name in one.references} - set(count)
        if twice:
            raise LockError(f"{path} has the {what} {min(twice)} twice; run lamella lock")
        if lost:
            raise LockError(f"{path} refers to the {what} {min(lost)}, which it does not have; run lamella lock")
        bare = next((one for one in packages if not one.is_known), None)
        if bare:
            raise LockError(f"{path} has no hash for the {what} {bare.name}; run lamella lock")
    for told, there in ((platform.debian, debs), (platform.nix, paths)):
        for name, roots in (told.roots if told else {}).items():
            if not set(roots) <= {one.name for one in there}:
                raise LockError(f"{path} does not have what {name} stands for; run lamella lock")


def locked(spec: Spec, wanted: Platform) -> LockedPlatform:
    """Return the part of `spec`'s lock for a platform; empty if there is no lock."""
    path = lock_path(spec)
    lock = read_lock(path)
    if lock is None:
        return LockedPlatform()
    found = lock.platforms.get(spelled(wanted))
    if found is None:
        raise LockError(f"{path} has nothing for {spelled(wanted)}; run lamella lock")
    check_base(found, spec.image.base)
    return found


def check_base(found: LockedPlatform, base: str) -> None:
    """Refuse a lock with a different base image."""
    if found.base_name != hashed_name(base):
        raise LockError("the base has changed since the spec was locked; run lamella lock")


def hashed_name(base: str) -> str:
    """Return an identifier of the requested base that hides its host; empty for a base that is not in a registry."""
    remote = bool(base) and parse_place(base).kind == DOCKER
    return hashlib.sha256(base.encode()).hexdigest()[:12] if remote else ""


def check_words(asked: Sequence[str], locked: Sequence[str]) -> None:
    """Refuse a lock of other requirements."""
    new, gone = [word for word in asked if word not in locked], [word for word in locked if word not in asked]
    if new or gone:
        said = ", ".join([*(f"+ {word}" for word in new), *(f"- {word}" for word in gone)][:6])
        raise LockError(f"the spec has changed since it was locked ({said}); run lamella lock")


def encoded(lock: Lock) -> bytes:
    """Return the bytes of the file: sorted and indented, so that changes are easy to read and to merge."""
    platforms = dict(sorted(lock.platforms.items()))
    whole = msgspec.json.encode(msgspec.structs.replace(lock, platforms=platforms))
    return msgspec.json.format(whole, indent=1) + b"\n"


def write_lock(path: Path, lock: Lock) -> bool:
    """Write the lock; return whether that changed anything."""
    data = encoded(lock)
    with explained(path, "cannot read"):
        if path.exists() and path.read_bytes() == data:
            return False
    write_file(path, data)
    return True
