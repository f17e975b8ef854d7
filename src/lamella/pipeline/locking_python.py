"""Python packages are locked: uv chooses versions, and of each wheel its directory and metadata are read."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lamella.pipeline.lockfile import LockedPython
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.python import Asking
from lamella.pipeline.workplace import Workplace
from lamella.sources import pypi, uv
from lamella.sources.locked import LockedWheel
from lamella.sources.pypi import Chosen, Summary
from lamella.sources.zipped import Bytes, LocalBytes
from lamella.spec.globs import as_regex
from lamella.transport.downloads import Wanted
from lamella.transport.remote import RemoteBytes, WholeOnlyError


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
