"""Locks Python packages: uv chooses versions, and each wheel's directory and metadata are read."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lamella.oci.image import Steps
from lamella.pipeline.lock.file import LockedPython
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.packages.building import Source, build, may_build
from lamella.pipeline.packages.python import Asking
from lamella.pipeline.workplace import Workplace
from lamella.sources.locked import LockedWheel
from lamella.sources.python import bytecode, pypi, uv
from lamella.sources.python.build import built_path
from lamella.sources.python.pypi import Chosen, Summary
from lamella.sources.python.target import Target
from lamella.sources.python.zipped import Bytes, LocalBytes
from lamella.spec.globs import as_regex
from lamella.spec.python import Python
from lamella.transport.downloads import Wanted


def lock_python(asked: Asking, folder: Path, kept: LockedPython, place: Workplace) -> LockedPython:
    """Resolve the requested packages; versions that are `kept` stay if they still fit."""
    outside = needed(place.outside, "an index of Python packages")
    builds = may_build(asked.python.build, outside)
    question = uv.Question(
        [*asked.whole.options, *map(str, asked.whole.requirements)],
        asked.target,
        folder,
        asked.constraints,
        asked.python.exclude_newer,
        [(one.name, one.version) for one in kept.wheels],
        builds=builds,
    )
    found = pypi.choose(uv.resolve(question), asked.target, builds=builds)
    chosen = {one.candidate.name: one for one in found}
    looks = {name: _look(one, asked.target, place, outside) for name, one in chosen.items()}
    told = pypi.summaries(looks, lambda done: place.progress(Steps("looking up packages"), done, len(looks)))
    refer = pypi.references(asked.whole.requirements, {name: one.requires for name, one in told.items()}, asked.target)
    left_out = pypi.conflicts(told, _allowed(asked.python.shared))
    wheels = [_locked(chosen[name], told[name], refer[name], left_out.get(name, ())) for name in sorted(chosen)]
    return LockedPython(asked=asked.words, wheels=tuple(wheels), compiler=_compiler(asked.python, kept.compiler))


def _compiler(python: Python, kept: str) -> str:
    if not python.bytecode:
        return ""
    return kept if kept.startswith(f"{python.version}.") else bytecode.newest(python.version)


def _look(one: Chosen, target: Target, place: Workplace, outside: Outside) -> Callable[[], Summary]:
    """A function that summarizes a wheel; it builds the wheel first if there is only source."""
    place.records.write(f"found/{one.source}", one.file.url)
    if one.is_source:
        source = Source(one.file.name, one.source, one.file.size, one.candidate.commit)
        path = built_path(outside.downloads.folder, one.source, target)

        def built() -> Bytes:
            build(source, target, [one.file.url], outside)
            return LocalBytes(path)

        return lambda: pypi.summary(built, one.file.name, path.parent.name, place.records)
    wanted = Wanted(one.file.name, one.file.sha256, one.file.size)
    return lambda: pypi.summary(lambda: outside.opened(wanted, one.file.url), one.file.name, one.source, place.records)


def _allowed(patterns: Sequence[str]) -> Callable[[str], bool]:
    if not patterns:
        return lambda _: False
    regex = re.compile("|".join(rf"(?s:{as_regex(pattern)})\Z" for pattern in patterns).encode())
    return lambda path: regex.match(path.encode()) is not None


def _locked(one: Chosen, told: Summary, refers: tuple[str, ...], without: tuple[str, ...]) -> LockedWheel:
    return LockedWheel(
        name=one.candidate.name,
        version=one.candidate.version or told.version,
        file=one.file.name,
        sha256=one.file.sha256,
        size=one.file.size if one.is_source else told.size,
        unpacked=told.unpacked,
        references=refers,
        without=without,
        commit=one.candidate.commit,
        licence=told.licence,
    )
