"""The JSON files of images: nix2container's `image.json` and `layers.json`, read and written.

They have recipes and digests instead of bytes. What nix2container's readers need is written as they expect it; what
it does not have (names, packages, compressed digests, churn) is beside it under `lamella`, which they ignore:

    {"version": 1, "image-config": {...}, "arch": "amd64", "created": "...", "lamella": {name, tag, churn, ...},
     "layers": [{"digest", "size", "diff_ids", "mediatype", "paths": [...], "History", "lamella": {name, parts, ...}}]}
"""

import re
from datetime import datetime
from typing import Annotated

import msgspec

from lamella.oci import media
from lamella.oci.digest import Digest, DigestError, parse_digest, parse_sha256
from lamella.oci.image import Record
from lamella.oci.platforms import here
from lamella.oci.typed import convert_to
from lamella.oci.wire import Document, History, Platform, RuntimeConfig, WireError, decode
from lamella.package import Package, Permission, Rewrite, Rules
from lamella.plan import LayerPlan, Part
from lamella.staging import leads_out

MOST = (1 << 63) - 1
"""No file is larger, and Go programs read no larger number."""

_NO_LIST = b"null"
"""What Go programs write for an empty list."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class RewriteItem(Document, frozen=True, kw_only=True):
    regex: str = ""
    repl: str = ""


class PermItem(Document, frozen=True, kw_only=True):
    regex: str
    mode: str = ""
    or_mode: str = msgspec.field(name="orMode", default="")
    uid: int = 0
    gid: int = 0
    uname: str = ""
    gname: str = ""


class OptionsItem(Document, frozen=True, kw_only=True):
    rewrite: RewriteItem = RewriteItem()
    perms: list[PermItem] = []
    ignore_destination: str = msgspec.field(name="ignoreDestination", default="")


class PathItem(Document, frozen=True, kw_only=True):
    path: str
    options: OptionsItem | None = None


class LayerNotes(Document, frozen=True, kw_only=True):
    """What only lamella says about a layer."""

    name: str = ""
    group: str = ""
    parts: list[Part] = []
    reproducible: bool = True
    blob: Record | None = None


class LayerItem(Document, frozen=True, kw_only=True):
    digest: Digest
    size: Count
    diff_ids: Digest
    paths: list[PathItem] | None = None
    mediatype: str
    layer_path: str = msgspec.field(name="layer-path", default="")
    history: History = msgspec.field(name="History", default_factory=History)
    lamella: LayerNotes | None = None


class ImageNotes(Document, frozen=True, kw_only=True):
    """What only lamella says about an image. `base` is where the bytes of the first `base_layers` layers are."""

    name: str = ""
    tag: str = ""
    os: str = "linux"
    variant: str = ""
    base: str = ""
    base_layers: Count = 0
    annotations: dict[str, str] = {}
    compression: str = "gzip"
    names: dict[str, tuple[Count, Count]] = {}
    families: dict[str, tuple[Count, Count]] = {}


class ImageItem(Document, frozen=True, kw_only=True):
    version: int
    image_config: RuntimeConfig = msgspec.field(name="image-config", default_factory=RuntimeConfig)
    layers: list[LayerItem] | None = None
    arch: str = ""
    created: str | None = None
    lamella: ImageNotes | None = None


def read_image(data: bytes, origin: str) -> ImageItem:
    """Parse an `image.json`; a `layers.json` is an image of these layers, for no particular platform."""
    if data.lstrip()[:1] == b"[" or data.strip() == _NO_LIST:
        return ImageItem(version=1, layers=read_layers(data, origin))
    item = decode(data, ImageItem, origin)
    if item.version != 1:
        raise WireError(f"{origin} is an image.json of version {item.version}; only version 1 is supported")
    _check_moment(item.created or "", origin)
    for name in (item.lamella.name, item.lamella.tag) if item.lamella else ():
        if leads_out(name):
            raise WireError(f"{origin}: {name[:200]!r} cannot be part of an image's name; change its name or tag")
    for layer in item.layers or ():
        check_layer(layer, origin)
    return item


def platform_of(item: ImageItem) -> Platform:
    """Return the platform of an `image.json`; the default is this machine's."""
    notes = item.lamella or ImageNotes()
    return Platform(architecture=item.arch, os=notes.os, variant=notes.variant) if item.arch else here()


def read_layers(data: bytes, origin: str) -> list[LayerItem]:
    """Parse a `layers.json`."""
    layers = [] if data.strip() == _NO_LIST else decode(data, list[LayerItem], origin)
    for layer in layers:
        check_layer(layer, origin)
    return layers


def check_layer(layer: LayerItem, origin: str) -> None:
    """Refuse values that no layer can have."""
    _check_record(record_of(layer), origin)
    _check_moment(layer.history.created, origin)
    notes = layer.lamella or LayerNotes()
    names = [layer.layer_path, *(item.path for item in layer.paths or ())]
    if any("\0" in name for name in (*names, *(part.package.path + part.package.at for part in notes.parts))):
        raise WireError(f"{origin}: layer {layer.digest} has a file name with a NUL byte")
    if notes.blob:
        _check_record(notes.blob, origin)
        if notes.blob.diff_id != layer.diff_ids:
            raise WireError(f"{origin}: layer {layer.diff_ids} has notes about another layer, {notes.blob.diff_id}")
    for part in notes.parts:
        _check_part(part, origin)


def _check_record(record: Record, origin: str) -> None:
    try:
        parse_sha256(record.digest)
        parse_sha256(record.diff_id)
    except DigestError as error:
        raise WireError(f"{origin}: {error}") from error
    if record.media_type not in media.LAYERS:
        raise WireError(f"{origin}: layer {record.digest}: {record.media_type!r} is not a layer's media type")
    if (record.digest == record.diff_id) != (media.compression(record.media_type) == "none"):
        raise WireError(f"{origin}: the digests of layer {record.digest} do not fit its media type {record.media_type}")
    if not (0 <= record.size <= MOST and 0 <= record.tar_size <= MOST):
        raise WireError(f"{origin}: layer {record.digest} cannot have {record.size} bytes, {record.tar_size} unpacked")


def _check_part(part: Part, origin: str) -> None:
    package, cut = part.package, part.slice
    try:
        parse_digest(package.content)
    except DigestError as error:
        raise WireError(f"{origin}: {package.id}: {error}") from error
    if not 0 <= package.size <= MOST:
        raise WireError(f"{origin}: {package.id} cannot have {package.size} bytes")
    if cut and not 0 <= cut.start < cut.stop <= MOST:
        raise WireError(f"{origin}: {package.id} has no entries {cut.start} to {cut.stop}")


def _check_moment(text: str, origin: str) -> None:
    try:
        if text:
            convert_to(text, Moment)
    except msgspec.ValidationError as error:
        raise WireError(f"{origin}: {text!r} is not a date such as 2024-05-01T12:00:00Z") from error


def layer_item(plan: LayerPlan, record: Record, history: History, stored: str = "") -> LayerItem:
    """Return the item of a built layer; `stored` is the path of its tar if the layer cannot be made again.

    A layer with a part that nix2container cannot describe gets no `paths`, so that no program makes different bytes.
    """
    return LayerItem(
        digest=record.diff_id,
        size=record.tar_size,
        diff_ids=record.diff_id,
        paths=[path_item(part) for part in plan.parts] if all(map(_sayable, plan.parts)) else None,
        layer_path=stored,
        mediatype=media.LAYER,
        history=history,
        lamella=LayerNotes(
            name=plan.name, group=plan.group, parts=list(plan.parts), reproducible=plan.reproducible, blob=record
        ),
    )


def record_of(layer: LayerItem) -> Record:
    """Return what `layer` says about its bytes: the tar, or a blob that came with a base image."""
    tar_size = layer.size if layer.digest == layer.diff_ids else 0
    return Record(layer.diff_ids, tar_size, layer.digest, layer.size, layer.mediatype)


def _sayable(part: Part) -> bool:
    """Whether every reader of nix2container's files makes the same bytes from a part's path as we do.

    They support one rewrite, and permissions by the path on this machine. Only some support more (`ignoreDestination`,
    `orMode`): the others ignore it, and would make different bytes.
    """
    package, rules = part.package, part.rules
    if not package.path or part.slice or package.how or rules.ignore:
        return False
    if package.at == package.path:
        return len(rules.rewrites) < 2 and not any(rule.or_mode for rule in rules.permissions)
    return not rules.rewrites and not rules.permissions


def path_item(part: Part) -> PathItem:
    """Return a part as nix2container describes it."""
    package, rules = part.package, part.rules
    moves = [RewriteItem(regex=rule.regex, repl=rule.repl) for rule in rules.rewrites]
    if package.at != package.path:
        root = "" if package.at == "/" else package.at.replace("$", "$$")
        moves.append(RewriteItem(regex=f"^{re.escape(package.path)}", repl=root))
    perms = [
        PermItem(
            regex=rule.regex,
            mode=f"{rule.mode:04o}" if rule.mode is not None else "",
            uid=rule.uid or 0,
            gid=rule.gid or 0,
            uname=rule.uname,
            gname=rule.gname,
        )
        for rule in rules.permissions
    ]
    options = OptionsItem(rewrite=moves[0] if moves else RewriteItem(), perms=perms)
    return PathItem(path=package.path, options=None if options == OptionsItem() else options)


def plan_of(layer: LayerItem, position: int, origin: str) -> LayerPlan:
    """Return the recipe in `layer`: our own if it has one, else what its `paths` say.

    Without our notes only the layer's digest is known, so it becomes the content of all paths.
    """
    if layer.lamella and layer.lamella.parts:
        notes = layer.lamella
        return LayerPlan(notes.name, tuple(notes.parts), layer.history.created_by, notes.reproducible, notes.group)
    parts = [_part(item, layer, origin) for item in layer.paths or ()]
    name = layer.lamella.name if layer.lamella else ""
    return LayerPlan(name or f"layer {position}", tuple(parts), layer.history.created_by, not layer.layer_path)


def _part(item: PathItem, layer: LayerItem, origin: str) -> Part:
    options = item.options or OptionsItem()
    rewrite = options.rewrite
    rules = Rules(
        rewrites=(Rewrite(rewrite.regex, rewrite.repl),) if rewrite.regex else (),
        permissions=tuple(permission(perm, origin) for perm in options.perms),
        ignore=options.ignore_destination,
    )
    path = item.path.rstrip("/") or item.path[:1]
    name = path.rpartition("/")[2]
    return Part(Package(path, name, layer.diff_ids, 0, source="path", path=path, at=path), rules)


def permission(perm: PermItem, origin: str) -> Permission:
    """Return a rule for modes and owners; errors name the `origin`."""
    return Permission(
        regex=perm.regex,
        mode=_octal(perm.mode, origin) if perm.mode else None,
        or_mode=_octal(perm.or_mode, origin) if perm.or_mode else 0,
        uid=perm.uid,
        gid=perm.gid,
        uname=perm.uname,
        gname=perm.gname,
    )


def _octal(text: str, origin: str) -> int:
    if not re.fullmatch("[0-7]{1,5}", text):
        raise WireError(f"{origin}: {text!r} is not an octal mode such as 0755")
    return int(text, 8)


def encode_document(document: ImageItem | list[LayerItem]) -> bytes:
    """Return the bytes of the file, indented."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
