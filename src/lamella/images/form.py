"""The two forms of a manifest: OCI, and Docker schema 2 (`v2s2`) for registries and programs without OCI.

They have different media types, and Docker's has neither annotations nor zstd.
"""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from lamella.images.stored import ImageError
from lamella.oci import media
from lamella.oci.image import Image, manifest_of
from lamella.oci.wire import Manifest, decode, encode

OCI_FORM = "oci"
DOCKER_FORM = "v2s2"

_PAIRS = {
    media.MANIFEST: media.DOCKER_MANIFEST,
    media.INDEX: media.DOCKER_INDEX,
    media.CONFIG: media.DOCKER_CONFIG,
    media.LAYER: media.DOCKER_LAYER,
    media.LAYER_GZIP: media.DOCKER_LAYER_GZIP,
}
_KINDS: Mapping[str, Mapping[str, str]] = {
    DOCKER_FORM: _PAIRS,
    OCI_FORM: {docker: oci for oci, docker in _PAIRS.items()},
}


def in_form(image: Image, form: str) -> Image:
    """Return `image` with a manifest of that form; its config and layers do not change."""
    manifest = decode(manifest_of(image), Manifest, "the image's manifest")
    if manifest.media_type == kind_in(form, media.MANIFEST):
        return image
    docker = form == DOCKER_FORM
    layers = tuple(
        replace(
            layer,
            record=replace(layer.record, media_type=kind_in(form, layer.record.media_type)),
            annotations={} if docker else layer.annotations,
        )
        for layer in image.layers
    )
    changed = Manifest(
        schema_version=2,
        media_type=kind_in(form, media.MANIFEST),
        config=msgspec.structs.replace(manifest.config, media_type=kind_in(form, media.CONFIG)),
        layers=[layer.descriptor for layer in layers],
        annotations={} if docker else image.annotations,
    )
    return replace(image, layers=layers, manifest_bytes=encode(changed), root=None)


def kind_in(form: str, media_type: str) -> str:
    """Return the media type for the same kind in that form."""
    kinds = _KINDS[form]
    if media_type in kinds.values():
        return media_type
    if media_type not in kinds:
        raise ImageError(f"{form} does not support {media_type}; choose gzip for the layers, or the form oci")
    return kinds[media_type]
