"""Python packages: from requirements to a list of files that is the same everywhere.

    requirements --uv--> versions --tags--> files --directories and METADATA--> references, sizes, conflicts

To lock a wheel, only its directory and metadata are read, even from a server.
"""

import email.parser
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from email.message import Message

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lamella.sources.files import Memory
from lamella.sources.python.target import Target
from lamella.sources.python.uv import Candidate, File, ResolveError, SourceOnlyError
from lamella.sources.python.wheel import Wheel
from lamella.sources.python.zipped import Archive, Bytes, WheelError

_AT_ONCE = 8
_LONGEST_LICENCE = 80


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """What a wheel's metadata says. `files` are places with size and checksum."""

    version: str
    size: int
    unpacked: int
    requires: tuple[str, ...]
    licence: str
    files: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Chosen:
    """The file that a package is installed from."""

    candidate: Candidate
    file: File
    is_source: bool = False

    @property
    def source(self) -> str:
        """The hash of the file, or the commit."""
        return self.file.sha256 or self.candidate.commit


def choose(candidates: Iterable[Candidate], target: Target, *, builds: bool) -> list[Chosen]:
    """For each package the best wheel for the target, or its source if there is none and building is allowed."""
    return [_chosen(candidate, target, builds) for candidate in candidates]


def _chosen(candidate: Candidate, target: Target, builds: bool) -> Chosen:
    ranked = [(target.rank(file.name), file.name, file) for file in candidate.wheels]
    suited = sorted((rank, name, file) for rank, name, file in ranked if rank is not None)
    if suited:
        return Chosen(candidate, suited[0][2])
    if not builds and (candidate.sdist or candidate.commit):
        raise SourceOnlyError(f"{candidate.name} {candidate.version} has none for this Python")
    if candidate.sdist:
        return Chosen(candidate, candidate.sdist, is_source=True)
    if candidate.commit:
        return Chosen(candidate, File(candidate.name, candidate.repository, "", 0), is_source=True)
    there = ", ".join(file.name for file in candidate.wheels) or "nothing"
    raise ResolveError(
        f"{candidate.name} {candidate.version} has only {there}, which does not run on Python {target.version} "
        f"with {target.machine} and {target.libc}"
    )


def summary(opened: Callable[[], Bytes], origin: str, what: str, memory: Memory) -> Summary:
    """The summary of the wheel with the hash `what`; it is opened if this is not remembered."""
    name = f"wheels/{what}"
    known = memory.read(name, Summary)
    if known:
        return known
    source = opened()
    found = Wheel(Archive(source, origin))
    told = Summary(
        found.info.removesuffix(".dist-info").partition("-")[2],
        source.size(),
        found.archive.unpacked,
        tuple(metadata(found).get_all("Requires-Dist") or ()),
        licence(metadata(found)),
        tuple(found.places()),
    )
    memory.write(name, told)
    return told


def metadata(wheel: Wheel) -> Message:
    """The METADATA of a wheel."""
    return email.parser.HeaderParser().parsestr(wheel.document("METADATA") or "")


def licence(told: Message) -> str:
    """The licence of a package, as far as its metadata says."""
    said = str(told.get("License-Expression") or "").strip()
    free = str(told.get("License") or "").strip()
    classes = [text.rpartition(" :: ")[2] for text in told.get_all("Classifier") or () if text.startswith("License ::")]
    return said or (free if free and len(free) <= _LONGEST_LICENCE and "\n" not in free else " AND ".join(classes))


def required(wheel: Wheel) -> list[Requirement]:
    """What a wheel requires, whatever the markers."""
    told = (_requirement(text) for text in metadata(wheel).get_all("Requires-Dist") or ())
    return [one for one in told if one]


def summaries(work: Mapping[str, Callable[[], Summary]], progress: Callable[[int], object]) -> dict[str, Summary]:
    """All of them, several at a time; `progress` gets the number that is done."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = {name: pool.submit(make) for name, make in work.items()}
        try:
            for done, future in enumerate(as_completed(futures.values()), 1):
                future.result()
                progress(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {name: future.result() for name, future in futures.items()}


def references(
    roots: Sequence[Requirement], requires: Mapping[str, Sequence[str]], target: Target
) -> dict[str, tuple[str, ...]]:
    """What each package refers to, given the roots: extras add references, markers remove some."""
    extras: dict[str, set[str]] = {}
    found: dict[str, set[str]] = {name: set() for name in requires}
    waiting = [(canonicalize_name(one.name), set(one.extras)) for one in roots if target.takes(one.marker)]
    while waiting:
        name, wanted = waiting.pop()
        if name not in requires or (name in extras and wanted <= extras[name]):
            continue
        extras[name] = extras.get(name, set()) | wanted
        for text in requires[name]:
            requirement = _requirement(text)
            if requirement and target.takes(requirement.marker, frozenset(extras[name])):
                other = canonicalize_name(requirement.name)
                if other in requires and other != name:
                    found[name].add(other)
                waiting.append((other, set(requirement.extras)))
    return {name: tuple(sorted(others)) for name, others in found.items()}


def _requirement(text: str) -> Requirement | None:
    """A requirement in a wheel's metadata. Invalid ones in old wheels are ignored; uv has resolved them already."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def conflicts(told: Mapping[str, Summary], allowed: Callable[[str], bool]) -> dict[str, tuple[str, ...]]:
    """The members that packages have to leave out, because others have different files at the same places.

    If `allowed` accepts a place, the last package by name provides it. Otherwise a conflict is an error.
    """
    seen: dict[str, tuple[str, int, int]] = {}
    left_out: dict[str, list[str]] = {}
    for name in sorted(told, reverse=True):
        for path, size, crc in told[name].files:
            other = seen.setdefault(path, (name, size, crc))
            if other[0] == name or other[1:] == (size, crc):
                continue
            if not allowed(path):
                raise WheelError(
                    f"{name} and {other[0]} have different files {path}; remove one of the packages, or allow "
                    f'it: shared = ["{path}"] in [python]'
                )
            left_out.setdefault(name, []).append(path)
    return {name: tuple(paths) for name, paths in left_out.items()}
