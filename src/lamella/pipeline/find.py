"""Opens images that exist, from the place that a user names, in whatever form they have there."""

import contextlib
from pathlib import Path

import msgspec

from lamella.images.document import ImageItem, ImageNotes, LayerItem, plan_of, platform_of, read_image, record_of
from lamella.images.stored import ImageError
from lamella.layers.compress import PLAIN, compressor
from lamella.oci import media
from lamella.oci.image import Image, Parcel, Record, parcel_of
from lamella.oci.platforms import matches, spelled
from lamella.oci.reference import DAEMONS, DIR, DOCKER, FILE, OCI, OCI_ARCHIVE, Place, parse_place, reference_of
from lamella.oci.wire import EPOCH, Platform
from lamella.pipeline.draft import Draft, Where
from lamella.pipeline.memory.documents import churn_of
from lamella.pipeline.outside import Outside, needed
from lamella.pipeline.workplace import Workplace
from lamella.plan import Planned, Stored, tar_key
from lamella.staging import StorageError, explained


def open_place(
    place: Place, folder: Path = Path(), platform: Platform | None = None, outside: Outside | None = None
) -> Image:
    """Open the image in a registry, a daemon, a layout or an archive; relative paths start at `folder`.

    An image for a platform other than `platform` is refused.
    """
    image = _open(place, folder, platform, outside)
    check_platform(str(place), image.platform, platform)
    return image


def _open(place: Place, folder: Path, platform: Platform | None, outside: Outside | None) -> Image:
    from lamella.images.directory import open_directory
    from lamella.images.docker_archive import open_docker_archive
    from lamella.images.layout import open_layout, open_oci_archive

    if place.kind == DOCKER:
        from lamella.pipeline.remote import open_remote

        return open_remote(reference_of(place), outside, platform)
    if place.kind in DAEMONS:
        there = needed(outside, str(place))
        return _open(there.daemons.save(place, there.file()), folder, None, outside)
    path = folder / place.path
    if place.kind == OCI:
        return open_layout(path, place.name, platform)
    if place.kind == DIR:
        return open_directory(path, platform)
    if place.kind == OCI_ARCHIVE:
        return open_oci_archive(path, place.name, platform)
    return open_docker_archive(path, place.name)


def open_parcel(place: Place, outside: Outside | None) -> Parcel:
    """Open everything under the name in `place`, for all platforms."""
    from lamella.images.directory import directory_parcel
    from lamella.images.layout import layout_parcel, oci_archive_parcel

    if place.kind == DOCKER:
        from lamella.pipeline.remote import remote_parcel

        return remote_parcel(reference_of(place), outside)
    path = Path(place.path)
    if place.kind == OCI:
        return layout_parcel(path, place.name)
    if place.kind == OCI_ARCHIVE:
        return oci_archive_parcel(path, place.name)
    if place.kind == DIR:
        return directory_parcel(path)
    return parcel_of(open_place(place, outside=outside))


def open_base(text: str, folder: Path, platform: Platform, outside: Outside | None) -> Image | None:
    """Open the base image for that platform; None if `text` is empty."""
    if not text:
        return None
    image = _open(parse_place(text), folder, platform, outside)
    check_platform(f"the base {text}", image.platform, platform)
    return image


def check_platform(name: str, has: Platform, wanted: Platform | None) -> None:
    """Refuse an image that does not run on the `wanted` platform, if one is given."""
    if wanted and not matches(wanted, has):
        raise ImageError(f"{name} is an image for {spelled(has)}, not for {spelled(wanted)}")


def is_bytes(place: Place) -> bool:
    """Whether `place` has the bytes of an image, not its recipe."""
    return place.kind != FILE


def read_document(path: Path) -> ImageItem:
    """Read the `image.json` or `layers.json` at `path`."""
    if not path.exists():
        raise StorageError(f"{path} does not exist; lamella build writes such files")
    with explained(path, "cannot read"):
        data = path.read_bytes()
    item = read_image(data, str(path))
    return msgspec.structs.replace(item, layers=[_sized(layer) for layer in item.layers or ()])


def _sized(layer: LayerItem) -> LayerItem:
    """Add the size of a base image's layer, which nix2container leaves out, from its file."""
    if layer.size or not layer.layer_path:
        return layer
    with contextlib.suppress(OSError):
        return msgspec.structs.replace(layer, size=Path(layer.layer_path).stat().st_size)
    return layer


def draft_of(item: ImageItem, path: Path, place: Workplace, compression: str = "") -> Draft:
    """Return the draft of an `image.json`; layers whose digests it has need not be made."""
    notes = item.lamella or ImageNotes()
    chosen = compression or notes.compression
    base = open_base(notes.base, path.parent, platform_of(item), place.outside)
    _check_base(base, item, path)
    own = (item.layers or [])[notes.base_layers :]
    return Draft(
        name=notes.name,
        tag=notes.tag,
        platform=platform_of(item),
        runtime=item.image_config,
        compression=chosen,
        layers=tuple(_planned(layer, number, str(path), chosen, place) for number, layer in enumerate(own)),
        created=item.created or EPOCH,
        base=base,
        base_place=notes.base,
        annotations=notes.annotations,
        churn=churn_of(item),
        where=Where(builds=True),
    )


def _check_base(base: Image | None, item: ImageItem, path: Path) -> None:
    """Refuse a base that is no longer the one that the image was built on."""
    notes = item.lamella or ImageNotes()
    told = [layer.diff_ids for layer in (item.layers or [])[: notes.base_layers]]
    if told != [layer.record.diff_id for layer in (base.layers if base else ())]:
        raise ImageError(f"the base {notes.base!r} has changed since {path} was built on it; build the image again")


def _planned(layer: LayerItem, number: int, origin: str, compression: str, place: Workplace) -> Planned:
    method = compressor(compression)
    key = tar_key(layer.diff_ids, method.identity)
    plan = plan_of(layer, number, origin)
    if not plan.parts and not layer.layer_path:
        raise ImageError(f"{origin} does not say how to make layer {layer.diff_ids}: it has no paths and no layer-path")
    told = record_of(layer)
    blob = layer.lamella.blob if layer.lamella else None
    record: Record | None
    if told.media_type == method.media_type or media.compression(told.media_type) != PLAIN:
        record = told
    elif blob and blob.media_type == method.media_type:
        record = blob
    else:
        record = place.records.find(key)
    stored = Stored(layer.layer_path, told) if layer.layer_path else None
    return Planned(plan, key, record if record and record.size else None, layer.diff_ids, stored)
