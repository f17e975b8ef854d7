"""The seven steps, top to bottom.

    spec -> sources -> closure -> layering -> layers -> image -> destination
     1         2          3          4          5        6          7

`plan` does the first four, and reads only files that the cache does not know; `build` does the rest, and reads only the
layers that have no record. The result of `plan` is a `Draft`, and that of `build` is `Built` (both in `draft`). The
steps are in the modules beside this one: `gather` (1 to 3), `arrange` (4) and `make` (5); `find` opens images that
exist. Below:

    packages/    which packages a spec means, and how their files get here
    lock/        how that is decided and written down
    memory/      what is remembered of images and layers
    explain/     answers about images; nothing is built with it
"""

from collections.abc import Sequence
from dataclasses import replace

from lamella.closure import merge
from lamella.destinations.publish import Published, bring, publish
from lamella.images.config import image_config
from lamella.images.document import ImageItem
from lamella.images.form import in_form
from lamella.layering import learn
from lamella.layers.make import PlannedBytes
from lamella.oci.image import Image, Layer, LayerBytes, image_of, parcel_of
from lamella.oci.platforms import here, matches, parse_platform, spelled
from lamella.oci.reference import DOCKER, parse_place
from lamella.oci.wire import History, Platform
from lamella.pipeline.arrange import USUAL_LAYERS, arrange
from lamella.pipeline.draft import Built, BuiltLayer, Draft, Target, Where
from lamella.pipeline.find import open_base
from lamella.pipeline.gather import gather
from lamella.pipeline.lock.file import locked
from lamella.pipeline.make import look_again, look_up, make_missing
from lamella.pipeline.memory.documents import document_of, sections_of, whole
from lamella.pipeline.memory.kept import kept, tar_at
from lamella.pipeline.memory.registries import LAYER_KEY, LAYER_NAME, notes_of
from lamella.pipeline.memory.trust import ForgottenError, RememberedBytes
from lamella.pipeline.packages.fetching import entries_from, fetch, is_here
from lamella.pipeline.packages.mounted import annotations
from lamella.pipeline.workplace import Workplace
from lamella.plan import Key, Planned
from lamella.spec.derive import moment, runtime_config
from lamella.spec.model import Spec


def plan(spec: Spec, place: Workplace, previous: ImageItem | None = None) -> Draft:
    """Steps 1 to 4: plan the image of `spec`, given the previous one. Each layer has its key, and a record if known."""
    image = spec.image
    wanted = platform_of(spec)
    lock = locked(spec, wanted)
    base = open_base(lock.pinned(image.base), spec.folder, wanted, place.outside)
    sections = gather(spec, wanted, lock, place)
    most = (image.max_layers or USUAL_LAYERS) - (len(base.layers) if base else 0)
    builds = image.python is not None and image.python.build
    where = Where(tuple(image.debian.archives), tuple(image.store.caches), builds)
    arrangement = arrange(sections, most, sections_of(previous), entries_from(where, place))
    return Draft(
        name=image.name,
        tag=image.tag,
        platform=wanted,
        runtime=runtime_config(image.config),
        compression=image.compression,
        layers=tuple(look_up(layer, image.compression, place) for layer in arrangement.plans),
        created=moment(spec),
        base=base,
        base_place=_pinned(image.base, base),
        annotations=dict(image.annotations),
        churn=learn(whole(previous), merge(section.closure for section in sections)),
        saved=arrangement.saved,
        previous=previous,
        where=where,
    )


def build(draft: Draft, place: Workplace, targets: Sequence[Target] = ()) -> Built:
    """Steps 5 to 7: build the image of `draft`, and send it to `targets`. Layers without a record are read once.

    A layer whose record turns out to be wrong is made again.
    """
    mended: set[Key] = set()
    while True:
        try:
            return _build(draft, place, targets)
        except ForgottenError as error:
            if error.key in mended:
                raise
            mended.add(error.key)
            draft = replace(
                draft, layers=tuple(look_again(p, error.key, draft.compression, place) for p in draft.layers)
            )


def _build(draft: Draft, place: Workplace, targets: Sequence[Target]) -> Built:
    fetch(
        (package for layer in draft.layers if not layer.record for package in layer.plan.packages),
        draft.where,
        place,
    )
    stages = [target.destination.stage for target in targets]
    made = make_missing(draft.layers, draft.compression, place, entries_from(draft.where, place), stages)
    own = [
        BuiltLayer(after.plan, _layer(after, draft, place), before.record is None)
        for before, after in zip(draft.layers, made, strict=True)
    ]
    layers = [*(draft.base.layers if draft.base else ()), *(built.layer for built in own)]
    config = image_config(layers, draft.runtime, draft.platform, draft.created, draft.base)
    bare = Built(replace(draft, layers=made), image_of(config, layers), tuple(own))
    image = replace(bare.image, annotations={**draft.annotations, **notes_of(document_of(bare, {}))})
    fresh = {built.layer.record.digest for built in own if built.made}
    published = tuple(deliver(image, target, draft.tag, place).with_sent(fresh) for target in targets)
    return replace(bare, image=image, published=published)


def deliver(image: Image, target: Target, tag: str, place: Workplace) -> Published:
    """Send `image` to `target`, under the target's name for it, or else `tag`."""
    parcel = parcel_of(in_form(image, target.form) if target.form else image)
    if not target.named:
        return bring(parcel, target.destination, place.progress)
    return publish(parcel, target.destination, target.name or tag or "latest", place.progress)


def remember(built: Built, place: Workplace) -> ImageItem:
    """Return the image's document, and keep it in the cache as the last one of that name."""
    stored: dict[str, str] = {}
    for planned, own in zip(built.draft.layers, built.layers, strict=True):
        diff_id = own.layer.record.diff_id
        if not own.plan.reproducible:
            stored[diff_id] = planned.stored.path if planned.stored else str(place.blobs.path(diff_id))
    document = document_of(built, stored)
    draft = built.draft
    place.records.write(_last(draft.name, draft.tag, draft.platform), document)
    return document


def last(spec: Spec, place: Workplace) -> ImageItem | None:
    """Return the last image that was built here with the name, tag and platform of `spec`."""
    return place.records.read(_last(spec.image.name, spec.image.tag, platform_of(spec)), ImageItem)


def _last(name: str, tag: str, platform: Platform) -> str:
    return f"images/{name}/{tag}/{spelled(platform).replace('/', '-')}"


def _layer(planned: Planned, draft: Draft, place: Workplace) -> Layer:
    """The layer, whose bytes come from an image in a registry, from its packages, or from a file that is kept."""
    record, plan = planned.record, planned.plan
    assert record is not None
    content: LayerBytes
    if planned.key in place.remembered and not all(is_here(package, place) for package in plan.packages):
        content = place.remembered[planned.key].content
    elif plan.reproducible and not planned.stored:
        content = PlannedBytes(plan, entries_from(draft.where, place), draft.compression, record)
    else:
        content = kept(planned.stored or tar_at(place.blobs.path(record.diff_id), record), record, draft.compression)

    def forget() -> None:
        place.records.forget(planned.key)
        if not plan.reproducible and not planned.stored:
            place.blobs.drop(record.diff_id)

    history = History(created=draft.created, created_by=plan.history)
    remembered = RememberedBytes(content, record, planned.key, forget)
    told = {LAYER_NAME: plan.name, LAYER_KEY: planned.key, **annotations(plan)}
    return Layer(record, remembered, plan.name, history, told)


def _pinned(text: str, base: Image | None) -> str:
    """The place of the base; in a registry by digest, because tags can move."""
    place = parse_place(text) if text else None
    if place and place.kind == DOCKER and base and base.root:
        return str(replace(place, name=base.root.digest))
    return text


def platform_of(spec: Spec) -> Platform:
    """This machine's platform if the spec has it or names none, else the first that it names."""
    named = [parse_platform(text) for text in spec.image.platforms]
    own = here()
    return next((p for p in named if matches(p, own)), named[0] if named else own)
