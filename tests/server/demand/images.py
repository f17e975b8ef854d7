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
    """Read an image, and check all its bytes against their digests."""
    Layout(layout).tag("built", root, b"")
    image = open_layout(layout, "built", parse_platform(platform) if platform else None)
    assert validate(image) == []
    return image


def files_of(image: Image) -> dict[str, tarfile.TarInfo]:
    """Return the files by path; upper layers replace lower ones."""
    found = {}
    for layer in image.layers:
        with tarfile.open(fileobj=io.BytesIO(collected(layer.content.tar))) as tar:
            found.update({f"/{member.name.strip('/')}": member for member in tar})
    return found
