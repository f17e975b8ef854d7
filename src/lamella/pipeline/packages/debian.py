"""The Debian packages that a spec requests, as its lock resolves them."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from lamella.closure import Closure, closure, restrict
from lamella.oci.digest import sha256
from lamella.package import Package
from lamella.pipeline.lock.file import LockedDebian, LockError, check_words
from lamella.sources.debian.archives import parse_line
from lamella.sources.debian.deb import RULES, Recipe
from lamella.sources.locked import LockedDeb
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
    ids = {one.name: one.id for one in locked.debs}
    whole = closure([_package(one, ids) for one in locked.debs], ())
    return {DebWant(name): restrict(whole, [ids[root] for root in locked.roots.get(name, ())]) for name in asked.names}


def _package(one: LockedDeb, ids: Mapping[str, str]) -> Package:
    how = Recipe(file=one.file, size=one.size, sha256=one.sha256, links=one.links)
    content = sha256(b"\0".join([RULES.encode(), one.sha256.encode(), msgspec.json.encode(one.links)]))
    references = tuple(ids[name] for name in one.references)
    text = msgspec.json.encode(how).decode()
    return Package(one.id, one.name, content, one.unpacked, references, "deb", at="/", how=text)
