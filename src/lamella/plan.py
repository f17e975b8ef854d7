"""Plans and their keys: what a layer will hold, said before anything is read.

The key is the hash of all that its bytes follow from: package contents, rules, the tar rules and the compressor.
Same key, same bytes; so a record found under the key spares reading, hashing and compressing the layer.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NewType

from lamella.oci.digest import Digest
from lamella.oci.image import Record
from lamella.package import NO_RULES, Package, Rules

Key = NewType("Key", str)

_NO_RULES = asdict(NO_RULES)

TAR_RULES = "tar-1"
"""Changes whenever the tar writer's bytes would."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a package too large for one layer: its entries number `start` up to, not including, `stop`."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Part:
    """A package in a layer, with the rules it is under there."""

    package: Package
    rules: Rules = NO_RULES
    slice: Slice | None = None


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """The recipe of a layer. `group` is the name of the spec's layer that it is, or is part of."""

    name: str
    parts: tuple[Part, ...]
    history: str = ""
    reproducible: bool = True
    group: str = ""

    @property
    def packages(self) -> tuple[Package, ...]:
        return tuple(part.package for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of the packages, as their sources tell it before anything is read."""
        return sum(part.package.size for part in self.parts)


def key(parts: Sequence[Part], compressor: str) -> Key:
    """The key of a layer of `parts` under the compressor with that identity. The order of parts does not matter."""
    told = sorted(json.dumps(_tell(part), sort_keys=True) for part in parts)
    return Key(hashlib.sha256(json.dumps([TAR_RULES, compressor, told]).encode()).hexdigest())


def _tell(part: Part) -> list[object]:
    rules = _NO_RULES if part.rules is NO_RULES else asdict(part.rules)
    return [part.package.content, rules, asdict(part.slice) if part.slice else None]


@dataclass(frozen=True, slots=True)
class Stored:
    """The file that holds a layer which cannot be made again, and what `record` tells of the bytes in it."""

    path: str
    record: Record


@dataclass(frozen=True, slots=True)
class Planned:
    """A layer before it is made: its plan, the key of that, and the record if it was made before.

    `diff_id` is what its tar must turn out to be where that is known.
    """

    plan: LayerPlan
    key: Key
    record: Record | None = None
    diff_id: Digest | None = None
    stored: Stored | None = None


def tar_key(diff_id: Digest, compressor: str) -> Key:
    """The key of a layer of which only its tar's digest is known."""
    return Key(hashlib.sha256(json.dumps([diff_id, compressor]).encode()).hexdigest())
