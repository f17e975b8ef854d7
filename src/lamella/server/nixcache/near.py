"""NARs of the bucket for who builds on the same machine: layers are read out of the one stored copy.

That is so where items are files. NARs in an object store have to come to this machine anyway before they can be read.
"""

from pathlib import Path

from lamella.cache.bucket import SharedBucket
from lamella.cache.narinfos import ENDINGS, NARS
from lamella.sources.nix.graph import base32
from lamella.transport.downloads import Near


def nars_in(bucket: SharedBucket) -> Near:
    """Finds a NAR by the hash of its file."""

    def find(sha256: str) -> Path | None:
        name = f"{NARS}{base32(bytes.fromhex(sha256))}.nar"
        files = (bucket.file(f"{name}{ending}") for ending in ENDINGS.values())
        return next((file for file in files if file and file.is_file()), None)

    return find
