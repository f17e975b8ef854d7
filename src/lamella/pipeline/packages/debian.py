"""The Debian packages that a spec requests, as its lock resolves them."""

from dataclasses import dataclass

from lamella.closure import Closure, restrict
from lamella.pipeline.lock.file import LockedDebian, LockError, check_words
from lamella.sources.debian.recipe import packages
from lamella.sources.debian.suites import parse_line
from lamella.spec.model import Spec
from lamella.spec.wants import DebWant, Want


@dataclass(frozen=True)
class Asking:
    """The names that a spec asks for, and what is not wanted with them."""

    names: tuple[str, ...]
    without: tuple[str, ...]
    archives: tuple[str, ...]
    keyring: str

    @property
    def words(self) -> tuple[str, ...]:
        """Everything that the result depends on, except hosts."""
        suites = [str(parse_line(line, "the spec")) for line in self.archives]
        return (*suites, *self.names, *(f"without {name}" for name in self.without))


def asking(spec: Spec) -> Asking | None:
    """Return what `spec` requests; None if it has no Debian packages."""
    names = {want.name for want in spec.image.all_taken if isinstance(want, DebWant)}
    if not names:
        return None
    told = spec.image.debian
    keyring = str(spec.folder / told.keyring) if told.keyring else ""
    return Asking(tuple(sorted(names)), tuple(sorted(told.without)), tuple(told.archives), keyring)


def closures(asked: Asking, locked: LockedDebian | None) -> dict[Want, Closure]:
    """Return the closure of each want, from the lock, which must match the request."""
    if locked is None:
        raise LockError("the spec's Debian packages are not locked; run lamella lock")
    check_words(asked.words, locked.asked)
    whole = packages(locked.debs)
    ids = {package.name: package.id for package in whole.packages}
    return {DebWant(name): restrict(whole, [ids[root] for root in locked.roots.get(name, ())]) for name in asked.names}
