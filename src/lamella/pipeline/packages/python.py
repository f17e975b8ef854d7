"""The Python packages that a spec requests, as its lock resolves them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from lamella.closure import Closure, restrict
from lamella.oci.wire import Platform
from lamella.pipeline.lock.file import LockedPython, LockError, check_words
from lamella.pipeline.workplace import Workplace
from lamella.sources.python.recipe import packages
from lamella.sources.python.requirements import Asked, parse, read_file, read_lock, with_nested
from lamella.sources.python.scheme import Scheme
from lamella.sources.python.target import Target, target
from lamella.spec.model import Spec
from lamella.spec.python import Python
from lamella.spec.wants import PypiWant, Want


@dataclass(frozen=True)
class Asking:
    """What a spec requests, by want."""

    python: Python
    target: Target
    wants: Mapping[PypiWant, Asked]
    constraints: tuple[Path, ...]

    @property
    def whole(self) -> Asked:
        """All of it together, since the packages of an image must fit each other."""
        return sum(self.wants.values(), Asked())

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that the result depends on."""
        told = self.target
        limits = [line for file in self.constraints for line in _constraint_lines(file)]
        newest = [f"no newer than {self.python.exclude_newer}"] if self.python.exclude_newer else []
        bytecode = ["bytecode"] if self.python.bytecode else []
        wheels = [] if self.python.build else ["wheels only"]
        shared = [f"shared {pattern}" for pattern in self.python.shared]
        return (f"Python {told.version} {told.libc}", *newest, *bytecode, *wheels, *shared, *limits, *self.whole.texts)

    def roots(self, want: PypiWant) -> list[str]:
        """Return the names of the packages that `want` requests."""
        found = self.wants[want].requirements
        return [canonicalize_name(one.name) for one in found if self.target.takes(one.marker)]


def asking(spec: Spec, platform: Platform) -> Asking | None:
    """Return what `spec` requests on `platform`; None if it has no Python packages."""
    python = spec.image.python
    wants = {want: _asked(want, spec) for want in spec.image.all_taken if isinstance(want, PypiWant)}
    if python is None or not wants:
        return None
    limits = tuple(file for name in python.constraints for file in with_nested(spec.folder / name))
    limits += tuple(file for asked in wants.values() for file in asked.constraints)
    return Asking(python, target(python.version, python.libc, platform), wants, limits)


def _tell_addresses(asked: Asking, locked: LockedPython, place: Workplace) -> None:
    """Remember the addresses in requirements, which neither an index nor the lock has."""
    urls = {str(canonicalize_name(one.name)): one.url for one in asked.whole.requirements if one.url}
    for one in locked.wheels:
        if one.name in urls:
            parts = urlsplit(urls[one.name].removeprefix("git+"))
            bare = parts._replace(path=parts.path.partition("@")[0] if one.commit else parts.path, fragment="")
            name = f"found/{one.sha256 or one.commit}"
            if place.records.read(name, str) != bare.geturl():
                place.records.write(name, bare.geturl())


def _asked(want: PypiWant, spec: Spec) -> Asked:
    if want.requirement:
        return Asked((parse(want.requirement, str(spec.file or "the spec")),))
    return read_file(spec.folder / want.file) if want.file else read_lock(spec.folder / want.lock)


def _constraint_lines(file: Path) -> list[str]:
    return [f"constraint {text}" for text in read_file(file).texts]


def scheme(python: Python, compiler: str) -> Scheme:
    """Return where things are in that Python; version `compiler` of it compiles the modules."""
    prefix = python.prefix.rstrip("/")
    return Scheme(
        version=python.version,
        prefix=prefix,
        packages=(python.packages or f"{prefix}/lib/python{python.version}/site-packages").rstrip("/"),
        interpreter=python.interpreter or f"{prefix}/bin/python{python.version}",
        compiler=compiler,
    )


def closures(asked: Asking, locked: LockedPython | None, place: Workplace) -> dict[Want, Closure]:
    """Return the closure of each want, from the lock, which must match the request."""
    if locked is None:
        raise LockError("the spec's Python packages are not locked; run lamella lock")
    check_words(asked.words, locked.asked)
    _tell_addresses(asked, locked, place)
    whole = packages(locked.wheels, scheme(asked.python, locked.compiler), asked.target)
    ids = {package.name: package.id for package in whole.packages}
    found: dict[Want, Closure] = {}
    for want in asked.wants:
        roots = asked.roots(want)
        missing = next((root for root in roots if root not in ids), None)
        if missing:
            raise LockError(f"{missing} is required but not in the lock; run lamella lock")
        found[want] = restrict(whole, [ids[root] for root in roots])
    return found
