"""Reads images from archives of `docker save`, `podman save`, skopeo and Nix: a tar with a `manifest.json`.

    manifest.json: [{"Config": "<file>", "RepoTags": ["name:tag"], "Layers": ["<file>", ...]}]

Layers are tars, plain or compressed, which their first bytes show; a layer that occurs twice may be a link. There is no
OCI manifest: it is made from what is found.
"""

import hashlib
from pathlib import Path

from lamella.images.members import Members
from lamella.images.opening import open_members
from lamella.images.stored import ImageError, layer_at, layer_history
from lamella.oci import media
from lamella.oci.decompress import MAGIC_SIZE, compression_of
from lamella.oci.digest import Digest, parse_sha256
from lamella.oci.image import Image, Record
from lamella.oci.wire import Document, ImageConfig, decode

MANIFEST = "manifest.json"
_MEDIA_TYPES = {"none": media.LAYER, "gzip": media.LAYER_GZIP, "zstd": media.LAYER_ZSTD}


class Item(Document, frozen=True, kw_only=True, rename="pascal"):
    """An image in a docker-archive."""

    config: str
    repo_tags: list[str] = []
    layers: list[str] = []


def open_docker_archive(path: Path, name: str = "") -> Image:
    """Return the image `name` (such as `app:1.0`) of the archive; without a name, the only one."""
    members = open_members(path)
    if not members.holds(MANIFEST):
        layout = f"; write oci-archive:{path} for a layout" if members.holds("index.json") else ""
        raise ImageError(f"{path} is not a docker-archive: it has no {MANIFEST}{layout}")
    items = decode(members.find(MANIFEST).document(), list[Item], f"{MANIFEST} in {path}")
    return _read(members, _choose(items, name, str(path)))


def _choose(items: list[Item], name: str, origin: str) -> Item:
    found = [item for item in items if not name or _familiar(name) in map(_familiar, item.repo_tags)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(sorted({tag for item in items for tag in item.repo_tags}))
    if found:
        raise ImageError(f"{origin} has {len(found)} images: {there}; choose one by its name and tag")
    raise ImageError(f"{origin} has no image{f' {name!r}' if name else ''}" + (f"; it has {there}" if there else ""))


def _familiar(name: str) -> str:
    """`name` without the parts that programs add by themselves."""
    for prefix in ("localhost/", "docker.io/library/", "docker.io/"):
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _read(members: Members, item: Item) -> Image:
    config_bytes = members.find(item.config).document()
    config = decode(config_bytes, ImageConfig, f"{item.config} in {members.origin}")
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(item.layers):
        raise ImageError(f"{members.origin}: {MANIFEST} has {len(item.layers)} layers and the config {len(diff_ids)}")
    records = {pair: _record(members, *pair) for pair in zip(item.layers, diff_ids, strict=True)}
    layers = [
        layer_at(members, name, records[name, diff_id], history, {})
        for name, diff_id, history in zip(item.layers, diff_ids, layer_history(config), strict=True)
    ]
    return Image(config, config_bytes, tuple(layers))


def _record(members: Members, name: str, diff_id: Digest) -> Record:
    """The record of the layer in the file `name`; a compressed one is hashed, since nothing else tells its digest."""
    parse_sha256(diff_id)
    extent = members.find(name)
    compression = compression_of(extent.start(MAGIC_SIZE))
    if compression not in _MEDIA_TYPES:
        raise ImageError(f"{extent.origin} is compressed with {compression}; layers can be plain, gzip or zstd")
    if compression == "none":
        return Record(diff_id, extent.size, diff_id, extent.size, media.LAYER)
    hashed = hashlib.sha256()
    for block in extent.blocks():
        hashed.update(block)
    return Record(diff_id, 0, Digest(f"sha256:{hashed.hexdigest()}"), extent.size, _MEDIA_TYPES[compression])
