"""The contents of built images, for tests."""

import io
import tarfile
from pathlib import Path

from tests.made import collected

from lamella.destinations.layout import Layout
from lamella.images.layout import open_layout
from lamella.oci.image import Image
from lamella.oci.platforms import parse_platform
from lamella.oci.validate import validate
from lamella.oci.wire import Descriptor


def opened(layout: Path, root: Descriptor, platform: str = "") -> Image:
    """The image, all of whose bytes are what its digests say."""
    Layout(layout).tag("built", root, b"")
    image = open_layout(layout, "built", parse_platform(platform) if platform else None)
    assert validate(image) == []
    return image


def files_of(image: Image) -> dict[str, tarfile.TarInfo]:
    """The files by path, those of upper layers last."""
    found = {}
    for layer in image.layers:
        with tarfile.open(fileobj=io.BytesIO(collected(layer.content.tar))) as tar:
            found.update({f"/{member.name.strip('/')}": member for member in tar})
    return found
