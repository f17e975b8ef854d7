"""`buildImage`: the `image.json` for existing layers; and that of a fetched base image."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from lamella.derivations.attributes import ImageAttributes, PulledAttributes
from lamella.derivations.layers import LAYERS, with_nested
from lamella.images.config import merge_env
from lamella.images.directory import open_directory
from lamella.images.document import (
    ImageItem,
    ImageNotes,
    LayerItem,
    LayerNotes,
    encode_document,
    read_image,
    read_layers,
)
from lamella.images.stored import layer_history
from lamella.oci.digest import encoded
from lamella.oci.image import Image
from lamella.oci.wire import ImageConfig, Manifest, RuntimeConfig, WireError, decode
from lamella.staging import explained

_NOW = "now"


def write_image(told: ImageAttributes) -> None:
    """Writes the image to the output."""
    base = _read_base(told.from_image) if told.from_image else None
    told.out.write_bytes(encode_document(make_image(told, base)))


def make_image(told: ImageAttributes, base: ImageItem | None) -> ImageItem:
    """The image: the layers of the base, then those below other layers, then the rest; each once."""
    layers = [*(base.layers or () if base else ()), *_layers(told.layers)]
    runtime = runtime_of(_read(told.config), told.config)
    if base and told.from_image_env:
        runtime = msgspec.structs.replace(runtime, env=merge_env(base.image_config.env, runtime.env))
    return ImageItem(
        version=1,
        image_config=runtime,
        layers=list({layer.digest: layer for layer in reversed(layers)}.values())[::-1],
        arch=told.arch,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if told.created == _NOW else told.created,
        lamella=ImageNotes(name=told.image_name, tag=told.image_tag, compression=told.compression),
    )


def runtime_of(told: Mapping[str, Any], origin: str) -> RuntimeConfig:
    """A config as programs in Go read it: the case of keys does not matter, and `null` means not set."""
    names = {name.lower(): name for name in RuntimeConfig.__struct_encode_fields__}
    known = {names.get(name.lower(), name): value for name, value in told.items() if value is not None}
    return decode(msgspec.json.encode(known), RuntimeConfig, origin)


def write_pulled(told: PulledAttributes) -> None:
    """Writes the `image.json` of a fetched image, for use as a base; its layers are files."""
    if told.folder:
        folder = Path(told.folder)
        found = _of_image(open_directory(folder), {layer: str(folder / layer) for layer in _names(folder)})
    else:
        found = _of_manifest(told)
    told.out.write_bytes(encode_document(found))


def _layers(outputs: Sequence[str]) -> Iterator[LayerItem]:
    for output in with_nested(outputs):
        file = Path(output, LAYERS)
        yield from read_layers(_read_bytes(file), str(file))


def _read_base(file: str) -> ImageItem:
    return read_image(_read_bytes(Path(file)), file)


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def _of_image(image: Image, files: Mapping[str, str]) -> ImageItem:
    layers = [(layer.record.digest, layer.record.media_type, layer.record.size) for layer in image.layers]
    return _item(image.config, layers, files)


def _of_manifest(told: PulledAttributes) -> ImageItem:
    manifest = decode(_read_bytes(Path(told.manifest)), Manifest, told.manifest)
    lost = next((one.digest for one in (manifest.config, *manifest.layers) if one.digest not in told.blobs), None)
    if lost:
        raise WireError(f"{told.manifest} names the blob {lost}, which was not fetched")
    config = decode(_read_bytes(Path(told.blobs[manifest.config.digest])), ImageConfig, told.manifest)
    layers = [(layer.digest, layer.media_type, layer.size) for layer in manifest.layers]
    return _item(config, layers, {encoded(digest): file for digest, file in told.blobs.items()})


def _item(config: ImageConfig, layers: Sequence[tuple[Any, str, int]], files: Mapping[str, str]) -> ImageItem:
    if len(layers) != len(config.rootfs.diff_ids):
        raise WireError(f"an image of {len(layers)} layers has a config of {len(config.rootfs.diff_ids)}")
    history = layer_history(config, "base image")
    items = [
        LayerItem(
            digest=digest,
            size=size,
            diff_ids=diff_id,
            mediatype=media_type,
            layer_path=files[encoded(digest)],
            history=entry,
            lamella=LayerNotes(name=entry.created_by or "base image"),
        )
        for (digest, media_type, size), diff_id, entry in zip(layers, config.rootfs.diff_ids, history, strict=True)
    ]
    return ImageItem(version=1, image_config=config.config, layers=items, arch=config.architecture)


def _read(file: str) -> dict[str, Any]:
    return decode(_read_bytes(Path(file)), dict[str, Any], file)


def _read_bytes(file: Path) -> bytes:
    with explained(file, "cannot read"):
        return file.read_bytes()
