"""What a lock says of wheels, as packages: their content is known before any file is here."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from lamella.closure import Closure, closure
from lamella.oci.digest import Digest, sha256
from lamella.package import Package
from lamella.sources.locked import LockedWheel
from lamella.sources.python.scheme import Scheme, absolute
from lamella.sources.python.target import Target

_RULES = "wheel-2"
"""Changes whenever the entries of a wheel would."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Where a wheel's files go, and how to find it."""

    scheme: Scheme
    target: Target
    file: str
    size: int
    sha256: str = ""
    commit: str = ""
    licence: str = ""


def content_of(archive: Digest, scheme: Scheme) -> Digest:
    """The content of a wheel, for the layer key: the same wheel in the same scheme gives the same files."""
    return sha256(b"\0".join([_RULES.encode(), archive.encode(), msgspec.json.encode(scheme)]))


def packages(locked: Sequence[LockedWheel], scheme: Scheme, target: Target) -> Closure:
    """All locked packages, as a closure without roots."""
    ids = {one.name: one.id for one in locked}
    return closure([_package(one, ids, scheme, target) for one in locked], ())


def _package(one: LockedWheel, ids: Mapping[str, str], scheme: Scheme, target: Target) -> Package:
    own = msgspec.structs.replace(scheme, without=tuple(absolute(place, scheme) for place in one.without))
    archive = Digest(f"sha256:{one.sha256 or hashlib.sha256(one.commit.encode()).hexdigest()}")
    recipe = Recipe(
        scheme=own,
        target=target,
        file=one.file,
        size=one.size,
        sha256=one.sha256,
        commit=one.commit,
        licence=one.licence,
    )
    return Package(
        one.id,
        one.name,
        content_of(archive, own),
        one.unpacked,
        tuple(ids[name] for name in one.references),
        "pypi",
        at=scheme.packages,
        how=msgspec.json.encode(recipe).decode(),
    )
