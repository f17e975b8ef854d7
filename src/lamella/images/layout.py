"""Reads images from an OCI image layout: a folder, or a tar of one.

    index.json -> (index ->)* manifest -> config
                                      `-> layers

The index may have many images, with names, for several platforms, and nested indexes. One image is chosen; of the
others only what tells them apart is read. All documents are verified and kept byte for byte.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lamella.images.content import DEEPEST, document, parcel_at, read_image
from lamella.images.opening import Folder, open_members
from lamella.images.stored import Files, ImageError, StoredBytes
from lamella.oci import media
from lamella.oci.digest import Digest, parse_digest
from lamella.oci.image import Image, Parcel, Record
from lamella.oci.platforms import matches, spelled
from lamella.oci.wire import CONTAINERD_NAME, REF_NAME, Descriptor, Index, Platform, decode


def open_layout(folder: Path, name: str = "", platform: Platform | None = None) -> Image:
    """Return the image `name` (a tag or digest) of the layout in `folder`; without a name, the only one."""
    if not folder.is_dir():
        raise ImageError(f"there is no folder {folder}" if not folder.exists() else f"{folder} is not a folder")
    return _open(Folder(folder), str(folder), name, platform)


def open_oci_archive(path: Path, name: str = "", platform: Platform | None = None) -> Image:
    """Return the image `name` (a tag or digest) of the layout in the tar archive `path`."""
    return _open(open_members(path), str(path), name, platform)


def layout_parcel(folder: Path, name: str = "") -> Parcel:
    """Return everything under `name` in the layout in `folder`; without a name, under its only entry."""
    return _parcel(Folder(folder), str(folder), name)


def oci_archive_parcel(path: Path, name: str = "") -> Parcel:
    """Do the same for the layout in the tar archive `path`."""
    return _parcel(open_members(path), str(path), name)


def _parcel(files: Files, origin: str, name: str) -> Parcel:
    index = _index(files, origin)
    named = [entry for entry in index.manifests if not name or name in (*_names(entry), entry.digest)]
    if len(named) != 1:
        there = ", ".join(sorted({label for entry in index.manifests for label in _names(entry)})) or "none with a name"
        raise ImageError(f"{origin} has {len(named)} images{f' {name!r}' if name else ''}; its names: {there}")
    return parcel_at(LayoutBlobs(files, origin), msgspec.structs.replace(named[0], annotations={}))


def _open(files: Files, origin: str, name: str, platform: Platform | None) -> Image:
    index = _index(files, origin)
    blobs = LayoutBlobs(files, origin)
    return read_image(blobs, choose(blobs, index, name, platform))


def _index(files: Files, origin: str) -> Index:
    if not files.holds("index.json"):
        docker = "; write docker-archive: for an archive of docker save" if files.holds("manifest.json") else ""
        raise ImageError(f"{origin} is not an OCI layout: it has no index.json{docker}")
    return decode(files.find("index.json").document(), Index, f"index.json in {origin}")


@dataclass(frozen=True, slots=True)
class LayoutBlobs:
    """The blobs of a layout."""

    files: Files
    origin: str

    def bytes_of(self, record: Record) -> StoredBytes:
        """Return the bytes of the file with the blob's name."""
        return StoredBytes(self.files, blob_name(record.digest), record)

    def manifest(self, blob: Descriptor) -> bytes:
        """Return the manifest that `blob` names."""
        return document(self, blob)

    def holds(self, blob: Descriptor) -> bool:
        """Whether the blob exists."""
        return self.files.holds(blob_name(blob.digest))

    def __str__(self) -> str:
        return self.origin


@dataclass(frozen=True)
class _Layout:
    blobs: LayoutBlobs

    @property
    def origin(self) -> str:
        return self.blobs.origin

    def manifests(self, descriptors: Iterable[Descriptor]) -> Iterator[Descriptor]:
        """Yield the manifests of images that `descriptors` lead to, each once."""
        seen: set[str] = set()
        for descriptor in descriptors:
            yield from self._below(descriptor, seen, 0)

    def _below(self, descriptor: Descriptor, seen: set[str], depth: int) -> Iterator[Descriptor]:
        if descriptor.digest in seen or (descriptor.platform and descriptor.platform.os == "unknown"):
            return
        seen.add(descriptor.digest)
        if descriptor.media_type in media.MANIFESTS:
            yield descriptor
        elif descriptor.media_type in media.INDEXES:
            if depth == DEEPEST:
                raise ImageError(f"{self.origin}: indexes are nested more than {DEEPEST} deep")
            index = decode(document(self.blobs, descriptor), Index, f"{descriptor.digest} in {self.origin}")
            for child in index.manifests:
                yield from self._below(child, seen, depth + 1)

    def platform(self, manifest: Descriptor) -> Platform:
        """Return the platform of an image, from its descriptor or else its config."""
        if manifest.platform:
            return manifest.platform
        return read_image(self.blobs, manifest).config.platform


def choose(blobs: LayoutBlobs, index: Index, name: str, platform: Platform | None) -> Descriptor:
    """Return the only manifest with that name and platform; otherwise raise an error that lists what exists."""
    layout = _Layout(blobs)
    named = [entry for entry in index.manifests if not name or name in (*_names(entry), entry.digest)]
    found = list(layout.manifests(named))
    if not found:
        found = [entry for entry in layout.manifests(index.manifests) if entry.digest == name]
    if not found:
        there = sorted({label for entry in index.manifests for label in _names(entry)})
        has = f"; it has {', '.join(there)}" if there else ""
        raise ImageError(f"{layout.origin} has no image{f' {name!r}' if name else ''}{has}")
    present = [entry for entry in found if layout.blobs.holds(entry)] or found
    if len(present) == 1 and platform is None:
        return present[0]
    fitting = [entry for entry in present if platform is None or matches(platform, layout.platform(entry))]
    if len(fitting) == 1:
        return fitting[0]
    there = [" ".join([*_names(entry)[:1], f"({spelled(layout.platform(entry))})"]) for entry in fitting or present]
    if platform and not fitting:
        raise ImageError(f"{layout.origin} has no image for {spelled(platform)}; it has {', '.join(there)}")
    raise ImageError(f"{layout.origin} has several images: {', '.join(there)}; choose one by tag or platform")


def _names(entry: Descriptor) -> list[str]:
    """The names that an index gives an image."""
    return [entry.annotations[key] for key in (REF_NAME, CONTAINERD_NAME) if key in entry.annotations]


def blob_name(digest: Digest) -> str:
    """Return the name of the blob's file in a layout; refuse a malformed `digest`."""
    algorithm, _, value = parse_digest(digest).partition(":")
    return f"blobs/{algorithm}/{value}"
