"""Where images are read from: one function a form."""

from lamella.images.directory import directory_parcel, open_directory
from lamella.images.docker_archive import open_docker_archive
from lamella.images.layout import layout_parcel, oci_archive_parcel, open_layout, open_oci_archive
from lamella.images.stored import ImageError

__all__ = [
    "ImageError",
    "directory_parcel",
    "layout_parcel",
    "oci_archive_parcel",
    "open_directory",
    "open_docker_archive",
    "open_layout",
    "open_oci_archive",
]
