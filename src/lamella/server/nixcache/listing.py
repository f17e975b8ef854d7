"""The contents of a NAR, as Nix lists them: made from the NAR itself, so no client has to be trusted.

Listings that clients send are therefore accepted, and ignored.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from lamella.oci.decompress import IN_PACKAGES, Decompressor
from lamella.oci.image import Buffer
from lamella.package import Kind
from lamella.server.nixcache.nars import UnfitError
from lamella.sources.nix import nar
from lamella.sources.nix.narinfo import NarInfo
from lamella.sources.spool import nameless

_MOST_FILES = 1_000_000
"""More than any package has; listings are made in memory."""
_TOO_LARGE = 413


def listing(blocks: Iterable[Buffer], info: NarInfo, spool: Path) -> bytes:
    """Return the listing of a NAR, as JSON; `spool` is a folder for the unpacked NAR."""
    spool.mkdir(parents=True, exist_ok=True)
    plain = nameless(spool)

    def write(block: Buffer) -> None:
        if plain.size > info.nar_size:
            raise UnfitError(f"the NAR of {info.path} is damaged")
        plain.write(bytes(block))

    with Decompressor(info.compression, write, info.path, IN_PACKAGES) as unpacking:
        for block in blocks:
            unpacking.write(block)
    nodes: dict[bytes, dict[str, Any]] = {}
    for count, (entry, offset) in enumerate(nar.located(plain, b"", info.path)):
        if count == _MOST_FILES:
            raise UnfitError(
                f"{info.path} has more than {_MOST_FILES:,} files, which is too many for a listing", _TOO_LARGE
            )
        folder, _, name = entry.path.rpartition(b"/")
        node: dict[str, Any]
        if entry.kind is Kind.DIRECTORY:
            node = nodes[entry.path] = {"type": "directory", "entries": {}}
        elif entry.kind is Kind.SYMLINK:
            node = {"type": "symlink", "target": _text(entry.target)}
        else:
            program = {"executable": True} if entry.mode & 0o100 else {}
            node = {"type": "regular", "size": entry.size, **program, "narOffset": offset}
        if entry.path:
            nodes[folder]["entries"][_text(name)] = node
        else:
            nodes[b""] = node
    return msgspec.json.encode({"version": 1, "root": nodes[b""]})


def _text(name: bytes) -> str:
    return os.fsdecode(name).encode(errors="replace").decode()
