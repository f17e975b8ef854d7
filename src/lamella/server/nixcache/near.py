"""NARs of the bucket for builds on the same machine: layers are read from the one stored copy.

This works if items are files. NARs in an object store have to be downloaded to this machine anyway.
"""

from pathlib import Path

from lamella.cache.bucket import SharedBucket
from lamella.cache.narinfos import ENDINGS, NARS
from lamella.sources.nix.graph import base32
from lamella.transport.downloads import Near


def nars_in(bucket: SharedBucket) -> Near:
    """Return a function that finds a NAR by the hash of its file."""

    def find(sha256: str) -> Path | None:
        name = f"{NARS}{base32(bytes.fromhex(sha256))}.nar"
        files = (bucket.file(f"{name}{ending}") for ending in ENDINGS.values())
        return next((file for file in files if file and file.is_file()), None)

    return find
