"""Nix packages in a bucket: which items there are, and what each leads to.

    narinfo/<cache>/<hash>     what one cache tells of a store path, as clients get it
    nar/<file>                 a NAR as it was sent, <hash of the file>.nar[.ending], once for all caches
    nar/<file>.facts           what was found in it: the hash and the size of the NAR, unpacked
    nar/<file>.ls              the files in it
    nixlogs/<cache>/<drv>      how something was built

Facts and listings can be made again, and go with their NAR. A cache that tells of a path tells of all that it refers
to, or leaves that to caches beside it.
"""

import re
from dataclasses import dataclass

NARINFOS, NARS, LOGS = "narinfo/", "nar/", "nixlogs/"
ENDINGS = {"xz": ".xz", "zstd": ".zst", "bzip2": ".bz2", "none": ""}
"""How NARs may be compressed, and how their names end then."""
_NAR = re.compile(r"(nar/[0-9a-df-np-sv-z]{52}\.nar(?:\.xz|\.zst|\.bz2)?)(?:\.facts|\.ls)?")


@dataclass(frozen=True, slots=True)
class Leads:
    """Where a narinfo leads: to an item, and to hashes of store paths in the same cache or in one beside it."""

    nar: str
    references: tuple[str, ...]


def narinfo_item(cache: str, hashed: str) -> str:
    """The item in which a cache tells of the store path with that hash."""
    return f"{NARINFOS}{cache}/{hashed}"


def leads(text: str) -> Leads:
    """Where a narinfo leads. Itself is none of its references."""
    told = dict(line.partition(": ")[::2] for line in text.split("\n"))
    own = told.get("StorePath", "").rpartition("/")[2][:32]
    references = dict.fromkeys(name[:32] for name in told.get("References", "").split())
    return Leads(told.get("URL", ""), tuple(one for one in references if one != own))


def nar_of(item: str) -> str | None:
    """The NAR that an item below `nar/` is, or goes with."""
    match = _NAR.fullmatch(item)
    return match[1] if match else None
