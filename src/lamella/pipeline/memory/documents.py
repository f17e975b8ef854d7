"""What an image passes on to the next one: writes its `image.json`, and reads what layering learns from it."""

from collections import defaultdict
from collections.abc import Mapping

from lamella.images.document import ImageItem, ImageNotes, LayerItem, LayerNotes, layer_item
from lamella.images.opening import Folder
from lamella.images.stored import StoredBytes
from lamella.layering import Churn, Group, Previous, Seen
from lamella.oci.image import Layer
from lamella.oci.wire import WireError, encode
from lamella.pipeline.draft import Built
from lamella.pipeline.memory.registries import name_of


def document_of(built: Built, stored: Mapping[str, str]) -> ImageItem:
    """Return the `image.json` of a built image; `stored` has the paths of tars of layers that cannot be made again."""
    draft = built.draft
    base = draft.base.layers if draft.base else ()
    items = [_base_item(layer) for layer in base]
    items += [
        layer_item(own.plan, own.layer.record, own.layer.history, stored.get(own.layer.record.diff_id, ""))
        for own in built.layers
    ]
    document = ImageItem(
        version=1,
        image_config=draft.runtime,
        layers=items,
        arch=draft.platform.architecture,
        created=draft.created,
        lamella=ImageNotes(
            name=draft.name,
            tag=draft.tag,
            os=draft.platform.os,
            variant=draft.platform.variant,
            base=draft.base_place,
            base_layers=len(base),
            compression=draft.compression,
            annotations=draft.annotations,
            names=dict(draft.churn.names),
            families=dict(draft.churn.families),
        ),
    )
    _check_text(document)
    return document


def _base_item(layer: Layer) -> LayerItem:
    return LayerItem(
        digest=layer.record.digest,
        size=layer.record.size,
        diff_ids=layer.record.diff_id,
        mediatype=layer.record.media_type,
        layer_path=_file_of(layer),
        history=layer.history,
        lamella=LayerNotes(name=name_of(layer), blob=layer.record),
    )


def _check_text(document: ImageItem) -> None:
    """Refuse file names that are not UTF-8, because JSON is text."""
    try:
        encode(document)
    except UnicodeEncodeError as error:
        raise WireError(f"{error.object!r} is not UTF-8, so it cannot be in an image.json; rename it") from error


def _file_of(layer: Layer) -> str:
    """The file that is exactly a base image's layer, as in a layout, for nix2container to read."""
    content = layer.content
    if isinstance(content, StoredBytes) and isinstance(content.files, Folder):
        return str((content.files.root / content.name).absolute())
    return ""


def sections_of(previous: ImageItem | None) -> dict[str, Previous]:
    """Return what the previous image had, by section."""
    if previous is None:
        return {}
    groups: defaultdict[str, list[Group]] = defaultdict(list)
    for layer in previous.layers or ():
        if layer.lamella and layer.lamella.parts:
            groups[layer.lamella.group].append(tuple(part.package for part in layer.lamella.parts))
    churn = churn_of(previous)
    return {name: Previous(tuple(layers), churn) for name, layers in groups.items()}


def churn_of(previous: ImageItem | None) -> Churn:
    """Return how often packages changed up to the previous image."""
    notes = previous.lamella if previous else None
    if notes is None:
        return Churn()
    return Churn(
        {name: Seen(*seen) for name, seen in notes.names.items()},
        {name: Seen(*seen) for name, seen in notes.families.items()},
    )


def whole(previous: ImageItem | None) -> Previous:
    """Return the whole previous image, with all sections together."""
    sections = sections_of(previous)
    return Previous(tuple(group for part in sections.values() for group in part.layers), churn_of(previous))
