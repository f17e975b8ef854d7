"""Reads images as graphs of blobs, from wherever these are found by digest: a layout's files, or a registry.

manifest -> config
       `-> layers, which are read when their bytes are needed
"""

from typing import Protocol

from lamella.images.stored import LONGEST_DOCUMENT, ImageError, layer_history
from lamella.oci import media
from lamella.oci.digest import Digest, parse_sha256
from lamella.oci.image import Buffer, Image, Layer, LayerBytes, Parcel, Record
from lamella.oci.platforms import spelled
from lamella.oci.wire import Descriptor, ImageConfig, Index, Manifest, decode

DEEPEST = 4
"""How deep indexes can be nested."""


class Content(Protocol):
    """Blobs by digest; as a string it says where they are."""

    def bytes_of(self, record: Record, /) -> LayerBytes:
        """Return the bytes of the blob in `record`. They are looked up when they are read."""

    def manifest(self, blob: Descriptor, /) -> bytes:
        """Return the manifest or index that `blob` names, verified."""


def document(content: Content, blob: Descriptor) -> bytes:
    """Return the document that `blob` names."""
    if not 0 <= blob.size <= LONGEST_DOCUMENT:
        raise ImageError(f"{blob.digest} has {blob.size} bytes, which is too large for a document of an image")
    found = bytearray()

    def take(block: Buffer) -> None:
        found.extend(block)

    digest = parse_sha256(blob.digest)
    content.bytes_of(Record(digest, 0, digest, blob.size, blob.media_type)).blob(take)
    return bytes(found)


def read_image(content: Content, root: Descriptor, manifest_bytes: bytes = b"") -> Image:
    """Return the image that `root` names; its manifest is read if it is not given."""
    parse_sha256(root.digest)
    manifest_bytes = manifest_bytes or content.manifest(root)
    manifest = decode(manifest_bytes, Manifest, f"the manifest {root.digest}")
    if manifest.config.media_type not in media.CONFIGS:
        raise ImageError(f"{root.digest} is not an image: its config has the media type {manifest.config.media_type}")
    config_bytes = document(content, manifest.config)
    config = decode(config_bytes, ImageConfig, f"the config {manifest.config.digest}")
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers):
        raise ImageError(
            f"the manifest {root.digest} has {len(manifest.layers)} layers and its config {len(diff_ids)}; "
            "they do not match"
        )
    layers = []
    for blob, diff_id, history in zip(manifest.layers, diff_ids, layer_history(config), strict=True):
        if blob.size < 0:
            raise ImageError(f"the layer {blob.digest} cannot have {blob.size} bytes")
        plain = media.compression(blob.media_type) == "none"
        record = Record(
            parse_sha256(diff_id), blob.size if plain else 0, parse_sha256(blob.digest), blob.size, blob.media_type
        )
        layers.append(Layer(record, content.bytes_of(record), history=history, annotations=blob.annotations))
    return Image(config, config_bytes, tuple(layers), manifest.annotations, manifest_bytes, root)


def parcel_at(content: Content, root: Descriptor) -> Parcel:
    """Return everything that `root` leads to, be it an image, an index of several, or an artifact."""
    documents: dict[Digest, tuple[Descriptor, bytes]] = {}
    layers: dict[Digest, Layer] = {}

    def visit(blob: Descriptor, label: str, depth: int) -> None:
        if depth > DEEPEST:
            raise ImageError(f"{content}: indexes are nested more than {DEEPEST} deep")
        if blob.digest in documents:
            return
        parse_sha256(blob.digest)
        data = content.manifest(blob)
        if blob.media_type in media.INDEXES:
            for child in decode(data, Index, f"the index {blob.digest}").manifests:
                visit(child, spelled(child.platform) if child.platform else label, depth + 1)
        else:
            manifest = decode(data, Manifest, f"the manifest {blob.digest}")
            documents[manifest.config.digest] = manifest.config, document(content, manifest.config)
            for layer in manifest.layers:
                record = Record(parse_sha256(layer.digest), 0, layer.digest, layer.size, layer.media_type)
                name = f"{label} {layer.digest[7:19]}".strip()
                layers.setdefault(layer.digest, Layer(record, content.bytes_of(record), name))
        documents[blob.digest] = blob, data

    visit(root, "", 0)
    return Parcel(tuple(layers.values()), tuple(documents.values()))
