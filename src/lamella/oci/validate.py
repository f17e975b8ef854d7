"""Validates images: reads and hashes everything again, and returns everything that is wrong."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lamella.errors import LamellaError
from lamella.oci import media
from lamella.oci.decompress import Decompressor
from lamella.oci.digest import Digest, Passed, encoded, is_digest_of, sha256
from lamella.oci.image import Buffer, Image, Layer, Progress, manifest_of, silent
from lamella.oci.platforms import matches, spelled
from lamella.oci.wire import Descriptor, Manifest, decode

_SIDE_BY_SIDE = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong; `layer` is the position of the layer concerned, or None."""

    message: str
    layer: int | None = None


def validate(image: Image, progress: Progress = silent) -> list[Problem]:
    """Return everything that is wrong with `image`: first in documents, then in layers, in order."""
    problems = [*_documents(image), *_counts(image)]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        checks = pool.map(lambda layer: _layer(layer, progress), image.layers)
        for position, messages in enumerate(checks):
            problems += [Problem(message, position) for message in messages]
    return problems


def _documents(image: Image) -> Iterator[Problem]:
    """Compare manifest and config with their descriptors, and the manifest with the layers."""
    data = manifest_of(image)
    if image.root:
        yield from _named(image.root, data, "manifest", media.MANIFESTS)
        has = image.platform
        if image.root.platform and not matches(image.root.platform, has):
            yield Problem(f"the index says {spelled(image.root.platform)} and the config {spelled(has)}")
    try:
        manifest = decode(data, Manifest, "the manifest")
    except LamellaError as error:
        yield Problem(str(error))
        return
    if manifest.schema_version != 2:
        yield Problem(f"the manifest has schema version {manifest.schema_version}, not 2")
    yield from _named(manifest.config, image.config_bytes, "config", media.CONFIGS)
    told = [(blob.digest, blob.size, blob.media_type) for blob in manifest.layers]
    if told != [(r.digest, r.size, r.media_type) for r in (layer.record for layer in image.layers)]:
        yield Problem("the manifest does not list the image's layers")


def _named(descriptor: Descriptor, data: bytes, what: str, kinds: frozenset[str]) -> Iterator[Problem]:
    if descriptor.media_type not in kinds:
        yield Problem(f"the {what} has the media type {descriptor.media_type!r}, which is not a {what}'s")
    if descriptor.size != len(data):
        yield Problem(f"the {what} has {len(data)} bytes, and its descriptor says {descriptor.size}")
    if not is_digest_of(descriptor.digest, data):
        yield Problem(f"the {what} is {sha256(data)}, and its descriptor says {descriptor.digest}")


def _counts(image: Image) -> Iterator[Problem]:
    """Compare the config with the layers."""
    diff_ids = [layer.record.diff_id for layer in image.layers]
    if image.config.rootfs.diff_ids != diff_ids:
        yield Problem(
            f"the config has {len(image.config.rootfs.diff_ids)} diff_ids, which are not those of "
            f"the {len(diff_ids)} layers"
        )
    history = sum(not entry.empty_layer for entry in image.config.history)
    if image.config.history and history != len(diff_ids):
        yield Problem(f"the history has {history} layers, and the image {len(diff_ids)}")


def _layer(layer: Layer, progress: Progress) -> list[str]:
    """Return what is wrong with a layer, in one pass over it."""
    record = layer.record
    name = layer.name or record.digest
    if record.media_type not in media.LAYERS:
        return [f"{record.media_type!r} is not a layer's media type"]
    blob = Passed(record.digest)
    tar = blob if record.digest == record.diff_id else Passed(record.diff_id)
    reading: list[str] = []
    unpacking: list[str] = []
    add = tar.add if tar is not blob else lambda _: None
    plain = Decompressor(media.compression(record.media_type), add, f"layer {name}")

    def take(block: Buffer) -> None:
        blob.add(block)
        progress(name, blob.size, record.size)
        if not unpacking:
            with _collected(unpacking):
                plain.write(block)

    with _collected(reading):
        layer.content.blob(take)
    if reading:
        return reading
    if not unpacking:
        with _collected(unpacking):
            plain.finish()
    tar_problems = unpacking or _differences(tar, record.diff_id, record.tar_size)
    return list(dict.fromkeys([*_differences(blob, record.digest, record.size), *tar_problems]))


@contextlib.contextmanager
def _collected(found: list[str]) -> Iterator[None]:
    try:
        yield
    except LamellaError as error:
        found.append(str(error))


def _differences(passed: Passed, digest: Digest, size: int) -> Iterator[str]:
    """Yield what differs from the expected digest and size; a size of 0 is unknown."""
    if size and passed.size != size:
        yield f"{digest} should have {size} bytes and has {passed.size}"
    if passed.digest != digest:
        yield f"{digest} is {encoded(passed.digest)}"
