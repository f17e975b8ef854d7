"""The differences between two locks, as for a changelog."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from lamella.pipeline.lock.file import Lock, LockedPlatform


@dataclass(frozen=True)
class Item:
    """A package, or the base, in one lock."""

    version: str
    what: str
    """Identifies its content."""
    size: int = 0


@dataclass(frozen=True)
class Change:
    """One that was added (`before` is None), removed (`after` is None) or changed, on these platforms."""

    name: str
    before: Item | None
    after: Item | None
    platforms: tuple[str, ...]


def changes(before: Lock, after: Lock) -> list[Change]:
    """Return the changes by name; the same change on several platforms appears once."""
    found: defaultdict[tuple[str, str, str], list[tuple[str, Item | None, Item | None]]] = defaultdict(list)
    for platform in sorted({*before.platforms, *after.platforms}):
        old = dict(_items(before.platforms.get(platform)))
        new = dict(_items(after.platforms.get(platform)))
        for name in {*old, *new}:
            was, now = old.get(name), new.get(name)
            if was != now:
                found[name, was.version if was else "", now.version if now else ""].append((platform, was, now))
    return [
        Change(key[0], told[0][1], told[0][2], tuple(platform for platform, _, _ in told))
        for key, told in sorted(found.items())
    ]


def _items(platform: LockedPlatform | None) -> Iterator[tuple[str, Item]]:
    if platform and platform.base:
        yield "base", Item(platform.base[:19], platform.base)
    for one in platform.python.wheels if platform and platform.python else ():
        yield one.name, Item(one.version, f"{one.file} {one.sha256} {one.commit}", one.size)
    for deb in platform.debian.debs if platform and platform.debian else ():
        yield f"{deb.name} (deb)", Item(deb.version, deb.sha256, deb.size)
    for found in platform.nix.paths if platform and platform.nix else ():
        hashed, _, name = found.path.rpartition("/")[2].partition("-")
        yield f"{name} (nix)", Item(hashed[:7], found.path, found.size)
