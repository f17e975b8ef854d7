"""Plans and their keys: what a layer will contain, known before anything is read.

The key is the hash of everything that determines its bytes: package contents, rules, the tar rules and the compressor.
Same key, same bytes; so with a record under the key the layer need not be read, hashed or compressed.
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
    """Part of a package that is too large for one layer: its entries from `start` up to, not including, `stop`."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Part:
    """A package in a layer, with the rules that apply to it there."""

    package: Package
    rules: Rules = NO_RULES
    slice: Slice | None = None


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """The recipe of a layer. `group` is the name of the layer in the spec that it belongs to."""

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
        """The bytes of the packages, as known before anything is read."""
        return sum(part.package.size for part in self.parts)


def key(parts: Sequence[Part], compressor: str) -> Key:
    """Return the key of a layer of `parts` with the compressor of that identity; the order of parts does not matter."""
    told = sorted(json.dumps(_tell(part), sort_keys=True) for part in parts)
    return Key(hashlib.sha256(json.dumps([TAR_RULES, compressor, told]).encode()).hexdigest())


def _tell(part: Part) -> list[object]:
    rules = _NO_RULES if part.rules is NO_RULES else asdict(part.rules)
    return [part.package.content, rules, asdict(part.slice) if part.slice else None]


@dataclass(frozen=True, slots=True)
class Stored:
    """The file with a layer that cannot be made again, and the record of its bytes."""

    path: str
    record: Record


@dataclass(frozen=True, slots=True)
class Planned:
    """A layer before it is made: its plan, its key, and its record if it was made before.

    `diff_id` is the expected digest of its tar, if that is known.
    """

    plan: LayerPlan
    key: Key
    record: Record | None = None
    diff_id: Digest | None = None
    stored: Stored | None = None


def tar_key(diff_id: Digest, compressor: str) -> Key:
    """Return the key of a layer of which only the tar's digest is known."""
    return Key(hashlib.sha256(json.dumps([diff_id, compressor]).encode()).hexdigest())
