"""Locking: what a spec asks for is decided once, with the indexes and registries of one user, for all machines."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lamella.oci.platforms import here, spelled
from lamella.oci.reference import DOCKER, parse_place
from lamella.oci.wire import Platform
from lamella.pipeline.find import open_base
from lamella.pipeline.lockfile import Lock, LockedPlatform, LockedPython, LockError, lock_path
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.python import Asking, asking, check_words
from lamella.pipeline.workplace import Workplace
from lamella.sources import pypi, uv
from lamella.sources.locked import LockedWheel
from lamella.sources.pypi import Chosen, Summary
from lamella.sources.zipped import Bytes, LocalBytes
from lamella.spec.derive import platform
from lamella.spec.globs import as_regex
from lamella.spec.model import Spec
from lamella.transport.downloads import Wanted
from lamella.transport.remote import RemoteBytes, WholeOnlyError


def make_lock(spec: Spec, before: Lock, upgraded: Callable[[str], bool], place: Workplace) -> Lock:
    """The lock of `spec` for all its platforms. What was decided `before` stays, unless it is to be `upgraded`."""
    old = before.platforms
    return Lock(
        platforms={
            spelled(one): _platform(spec, one, old.get(spelled(one)), upgraded, place) for one in _platforms(spec)
        }
    )


def check_lock(spec: Spec, lock: Lock | None) -> None:
    """Refuses a lock that is not of what `spec` asks for. Asks nobody."""
    path = lock_path(spec)
    if lock is None:
        raise LockError(f"there is no {path}; run lamella lock")
    for wanted in _platforms(spec):
        found = lock.platforms.get(spelled(wanted))
        asked = asking(spec, wanted)
        if found is None or (asked and not found.python) or (_is_remote(spec.image.base) and not found.base):
            raise LockError(f"{path} does not say all of {spelled(wanted)}; run lamella lock")
        if asked and found.python:
            check_words(asked.words, found.python.asked)


def _platforms(spec: Spec) -> list[Platform]:
    return [platform(text) for text in spec.image.platforms] or [here()]


def _is_remote(base: str) -> bool:
    return bool(base) and parse_place(base).kind == DOCKER


def _platform(
    spec: Spec, wanted: Platform, before: LockedPlatform | None, upgraded: Callable[[str], bool], place: Workplace
) -> LockedPlatform:
    asked = asking(spec, wanted)
    known = before.python.wheels if before and before.python else ()
    kept = [one for one in known if not upgraded(one.name)]
    python = lock_python(asked, spec.folder, kept, place) if asked else None
    base = before.base if before and before.base and not upgraded("base") else _base(spec, wanted, place)
    return LockedPlatform(base=base, python=python)


def _base(spec: Spec, wanted: Platform, place: Workplace) -> str:
    """The digest that the base's tag leads to now."""
    if not _is_remote(spec.image.base):
        return ""
    base = open_base(spec.image.base, spec.folder, wanted, place.outside)
    return base.root.digest if base and base.root else ""


def lock_python(asked: Asking, folder: Path, kept: Sequence[LockedWheel], place: Workplace) -> LockedPython:
    """What is asked for, resolved now; versions that are `kept` stay where nothing speaks against them."""
    outside = needed(place.outside, "an index of Python packages")
    question = uv.Question(
        [*asked.whole.options, *map(str, asked.whole.requirements)],
        asked.target,
        folder,
        asked.constraints,
        asked.python.exclude_newer,
        [(one.name, one.version) for one in kept],
    )
    chosen = {one.candidate.name: one for one in pypi.choose(uv.resolve(question), asked.target)}
    told = pypi.summaries({name: _looking(one, place, outside) for name, one in chosen.items()})
    refer = pypi.references(asked.whole.requirements, {name: one.requires for name, one in told.items()}, asked.target)
    left_out = pypi.conflicts(told, _allowed(asked.python.shared))
    wheels = [_locked(chosen[name], told[name], refer[name], left_out.get(name, ())) for name in sorted(chosen)]
    return LockedPython(asked=asked.words, wheels=tuple(wheels))


def _looking(one: Chosen, place: Workplace, outside: Outside) -> Callable[[], Summary]:
    file = one.file
    place.records.write(f"found/{file.sha256}", file.url)

    def opened() -> Bytes:
        kept = outside.downloads.path(file.sha256)
        if kept.exists():
            return LocalBytes(kept)
        try:
            return RemoteBytes(outside.downloads.fetcher, file.url)
        except WholeOnlyError:
            return LocalBytes(outside.downloads.fetch_one(Wanted(file.name, file.sha256, file.size), [file.url]))

    return lambda: pypi.summary(opened, file.name, file.sha256, place.records)


def _allowed(patterns: Sequence[str]) -> Callable[[str], bool]:
    if not patterns:
        return lambda _: False
    regex = re.compile("|".join(rf"(?s:{as_regex(pattern)})\Z" for pattern in patterns).encode())
    return lambda path: regex.match(path.encode()) is not None


def _locked(one: Chosen, told: Summary, refers: tuple[str, ...], without: tuple[str, ...]) -> LockedWheel:
    return LockedWheel(
        name=one.candidate.name,
        version=one.candidate.version,
        file=one.file.name,
        sha256=one.file.sha256,
        size=told.size,
        unpacked=told.unpacked,
        references=refers,
        without=without,
    )
