"""The names that may be in an address of a cache. Nothing else becomes part of the name of an item or a file."""

import re

from lamella.cache.narinfos import ENDINGS, NARS
from lamella.sources.nix.graph import STORE, base32
from lamella.sources.nix.narinfo import NarInfo

_DIGIT = "[0-9a-df-np-sv-z]"
_ENDING = "(?:" + "|".join(re.escape(ending) for ending in ENDINGS.values() if ending) + ")?"
HASH = f"{_DIGIT}{{32}}"
FILE = rf"{_DIGIT}{{52}}\.nar{_ENDING}"
"""The name of a NAR in the bucket, by the hash of the file."""
PASSING = rf"{HASH}-{_DIGIT}{{52}}\.nar{_ENDING}"
"""The name of a NAR that is made or downloaded on request, by the store path and the hash of its contents."""
DERIVATION = rf"{HASH}-[0-9A-Za-z+\-._?=]{{1,211}}\.drv"
LARGEST_LISTING, LARGEST_LOG = 1 << 28, 1 << 26
_LARGE = ((re.compile(r"/nix/[^/]+/[^/]+\.ls"), LARGEST_LISTING), (re.compile(r"/nix/[^/]+/log/[^/]+"), LARGEST_LOG))
_PATH = re.compile(rf"{STORE}/{HASH}-[0-9A-Za-z+\-._?=]{{1,211}}", re.ASCII)


def longest_body(address: str) -> int | None:
    """Return how large the body of a request for a listing or log may be; None for any other address."""
    return next((longest for pattern, longest in _LARGE if pattern.fullmatch(address)), None)


def is_path(text: str) -> bool:
    """Whether Nix could have made a store path of that name."""
    return _PATH.fullmatch(text) is not None


def hash_of(path: str) -> str:
    """Return the hash by which a cache knows a store path."""
    return path.rpartition("/")[2][:32]


def item_of(info: NarInfo) -> str:
    """Return the item of a narinfo's NAR, which is its address in the cache too."""
    return f"{NARS}{base32(bytes.fromhex(info.file_hash))}.nar{ENDINGS[info.compression]}"


def passing_url(info: NarInfo) -> str:
    """Return the address of a NAR that is not in the bucket."""
    return f"nar/{hash_of(info.path)}-{base32(bytes.fromhex(info.nar_hash))}.nar{ENDINGS[info.compression]}"


def compression_of(file: str) -> str:
    """Return the compression of a NAR, by its name."""
    ending = file.partition(".nar")[2]
    return next(compression for compression, one in ENDINGS.items() if one == ending)
