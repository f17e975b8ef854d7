"""The registry as memory: an image says under which keys its layers were made, and which packages they contain.

    each layer     dev.lamella.key      the key it was made under
                   dev.lamella.layer    its name
    the manifest   dev.lamella.image    the image's document, without paths of this machine; zstd in Base64

A machine that can read the manifest can reuse the layers: it need not read, hash or compress their packages, or even
have them.
"""

import base64
import contextlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import msgspec

from lamella.errors import LamellaError
from lamella.images.document import ImageItem, LayerItem, read_image
from lamella.oci.image import Image, Layer
from lamella.oci.reference import Reference
from lamella.oci.wire import Platform
from lamella.pipeline.workplace import Workplace
from lamella.plan import Key, Part

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LAYER_KEY = "dev.lamella.key"
LAYER_NAME = "dev.lamella.layer"
IMAGE_NOTES = "dev.lamella.image"
_LONGEST = 64 << 20


@dataclass(frozen=True)
class Memory:
    """What images say: layers by key, and the document of the first one that has one."""

    layers: dict[Key, Layer]
    document: ImageItem | None = None


def recall(
    place: Workplace, references: Iterable[Reference], told: Callable[[str], None], platform: Platform | None = None
) -> Workplace:
    """Return `place` with what these images remember; `told` is called with the reason if one is of no use.

    Of several images under one name, the one for `platform` counts.
    """
    from lamella.pipeline.remote import find_remote

    images = []
    for reference in references:
        try:
            found = find_remote(reference, place.outside, platform)
        except LamellaError as error:
            told(f"{reference} is of no use: {error}")
            continue
        if found:
            images.append(found)
        else:
            told(f"{reference} does not exist yet")
    memory = memory_of(images)
    return replace(place, remembered={**memory.layers, **place.remembered}, previous=memory.document)


def notes_of(document: ImageItem) -> dict[str, str]:
    """Return the annotation with `document`."""
    layers = [_anywhere(layer) for layer in document.layers or ()]
    data = msgspec.json.encode(msgspec.structs.replace(document, layers=layers))
    return {IMAGE_NOTES: base64.b64encode(zstd.compress(data)).decode()}


def memory_of(images: Iterable[Image]) -> Memory:
    """Return what `images` remember; earlier images take precedence."""
    layers: dict[Key, Layer] = {}
    document: ImageItem | None = None
    for image in images:
        own = document_in(image)
        notes = [layer.lamella for layer in (own.layers if own else None) or ()]
        sizes = {note.blob.digest: note.blob for note in notes if note and note.blob}
        for layer in image.layers:
            name = layer.annotations.get(LAYER_KEY)
            told = sizes.get(layer.record.digest)
            if name and told and told.diff_id == layer.record.diff_id:
                layers.setdefault(Key(name), replace(layer, record=told))
        document = document or own
    return Memory(layers, document)


def document_in(image: Image) -> ImageItem | None:
    """Return the document in an image's annotations; None if it cannot be read, or describes other layers."""
    text = image.annotations.get(IMAGE_NOTES)
    if not text:
        return None
    with contextlib.suppress(LamellaError, ValueError, zstd.ZstdError):
        data = zstd.ZstdDecompressor().decompress(base64.b64decode(text), _LONGEST)
        document = read_image(data, "an image's notes")
        if [layer.diff_ids for layer in document.layers or ()] == [layer.record.diff_id for layer in image.layers]:
            return document
    return None


def name_of(layer: Layer) -> str:
    """Return the name of a layer that was read; empty if it has none."""
    return layer.annotations.get(LAYER_NAME) or layer.name or layer.history.created_by


def _anywhere(layer: LayerItem) -> LayerItem:
    """`layer` without paths of this machine."""
    if layer.lamella is None:
        return msgspec.structs.replace(layer, paths=None, layer_path="")
    parts = [_elsewhere(part) for part in layer.lamella.parts]
    return msgspec.structs.replace(
        layer, paths=None, layer_path="", lamella=msgspec.structs.replace(layer.lamella, parts=parts)
    )


def _elsewhere(part: Part) -> Part:
    package = part.package
    return part if package.path == package.id else replace(part, package=replace(package, path=""))
