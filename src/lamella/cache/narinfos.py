"""Nix packages in a bucket: which items there are, and what each leads to.

    narinfo/<cache>/<hash>     what one cache says about a store path, as clients get it
    nar/<file>                 a NAR as it was sent, <hash of the file>.nar[.ending], once for all caches
    nar/<file>.facts           what was found in it: the hash and the size of the NAR, unpacked
    nar/<file>.ls              the files in it
    nixlogs/<cache>/<drv>      how something was built

Facts and listings can be made again, and are removed with their NAR. A cache that has a path also has all paths that
it refers to, or leaves them to other caches.
"""

import re
from dataclasses import dataclass

NARINFOS, NARS, LOGS = "narinfo/", "nar/", "nixlogs/"
ENDINGS = {"xz": ".xz", "zstd": ".zst", "bzip2": ".bz2", "none": ""}
"""How NARs may be compressed, and the matching ending of their names."""
_NAR = re.compile(r"(nar/[0-9a-df-np-sv-z]{52}\.nar(?:\.xz|\.zst|\.bz2)?)(?:\.facts|\.ls)?")


@dataclass(frozen=True, slots=True)
class Leads:
    """What a narinfo leads to: an item, and hashes of store paths in the same cache or in another one."""

    nar: str
    references: tuple[str, ...]


def narinfo_item(cache: str, hashed: str) -> str:
    """The item in which a cache describes the store path with that hash."""
    return f"{NARINFOS}{cache}/{hashed}"


def leads(text: str) -> Leads:
    """What a narinfo leads to. A reference to itself does not count."""
    told = dict(line.partition(": ")[::2] for line in text.split("\n"))
    own = told.get("StorePath", "").rpartition("/")[2][:32]
    references = dict.fromkeys(name[:32] for name in told.get("References", "").split())
    return Leads(told.get("URL", ""), tuple(one for one in references if one != own))


def nar_of(item: str) -> str | None:
    """The NAR that an item below `nar/` is or belongs to."""
    match = _NAR.fullmatch(item)
    return match[1] if match else None
