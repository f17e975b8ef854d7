"""What a lock says of debs, as packages: their content is known before any file is here."""

from collections.abc import Mapping, Sequence

import msgspec

from lamella.closure import Closure, closure
from lamella.oci.digest import sha256
from lamella.package import Package
from lamella.sources.locked import LockedDeb

_RULES = "deb-2"
"""Changes whenever the entries of a deb would."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a deb comes from, and the `links` of its alternatives with their targets."""

    file: str
    size: int
    sha256: str = ""
    links: tuple[tuple[str, str], ...] = ()


def packages(locked: Sequence[LockedDeb]) -> Closure:
    """All locked packages, as a closure without roots."""
    ids = {one.name: one.id for one in locked}
    return closure([_package(one, ids) for one in locked], ())


def _package(one: LockedDeb, ids: Mapping[str, str]) -> Package:
    how = Recipe(file=one.file, size=one.size, sha256=one.sha256, links=one.links)
    content = sha256(b"\0".join([_RULES.encode(), one.sha256.encode(), msgspec.json.encode(one.links)]))
    references = tuple(ids[name] for name in one.references)
    text = msgspec.json.encode(how).decode()
    return Package(one.id, one.name, content, one.unpacked, references, "deb", at="/", how=text)
