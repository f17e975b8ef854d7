"""What the page shows, as data: layers, packages, what changed, and what is wasted."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lamella.closure import brought_by
from lamella.errors import shown
from lamella.oci.platforms import spelled
from lamella.package import Package
from lamella.pipeline.explain.compare import Comparison, Difference, compare, in_words
from lamella.pipeline.explain.view import ImageView, LayerView, closure_of
from lamella.report.files import Files
from lamella.report.stack import Placed, Stack, changed, leftovers, stacked, twins
from lamella.report.tree import Node, tree

MOST_PACKAGES = 5000
"""How many packages are listed, the largest first."""
_LISTED = 100
"""How many files of each kind are listed; the rest are only counted."""
_PLACES = 6


class LayerFacts(msgspec.Struct, omit_defaults=True):
    """A layer. `fetched` says whether a user who has the previous image, if there is one, downloads it."""

    name: str
    digest: str
    size: int
    unpacked: int
    packages: int
    made: bool
    fetched: bool = True
    why: str = ""


class PackageFacts(msgspec.Struct, omit_defaults=True):
    """A package. `layer` counts from 0; `by` is the package that brings it in, `needs` are those it refers to."""

    id: str
    name: str
    size: int
    layer: int
    source: str = ""
    by: int = -1
    needs: list[int] = []
    state: str = ""


class FileFacts(msgspec.Struct, omit_defaults=True):
    """One or more files: `about` says what kind they are or what became of them, `times` how often they exist."""

    about: str
    size: int
    layer: int = -1
    times: int = 1
    places: list[str] = []


class Waste(msgspec.Struct, omit_defaults=True):
    """Wasted files: how many, their bytes, and the largest of them."""

    count: int
    size: int
    largest: list[FileFacts]


class Change(msgspec.Struct):
    """What differs from the image `before`, and how many bytes a user who has that one downloads."""

    before: str
    fetched: int
    kept: int
    removed: list[str]
    files: dict[str, Waste] | None = None


class Facts(msgspec.Struct, omit_defaults=True):
    """Everything on the page."""

    name: str
    platform: str
    created: str
    layers: list[LayerFacts]
    packages: list[PackageFacts]
    more_packages: int
    picture: Node
    change: Change | None = None
    looked_at: int = 0
    """How many layers' files are known."""
    files: int = 0
    unpacked: int = 0
    hidden: Waste | None = None
    twins: Waste | None = None
    leftovers: list[FileFacts] = []


class Image(msgspec.Struct, frozen=True):
    """An image to report on."""

    name: str
    view: ImageView
    files: Files


def facts(image: Image, before: Image | None = None) -> Facts:
    """The facts about `image`, and about what changed since `before`."""
    view = image.view
    change = compare(before.view, view) if before else None
    largest = sorted(view.packages.values(), key=lambda package: (-package.size, package.id))
    packages = largest[:MOST_PACKAGES]
    numbers = {package.id: number for number, package in enumerate(packages, 1)}
    drawn = tree(view.layers, image.files, numbers)
    found = Facts(
        name=_text(view.reference or image.name),
        platform=spelled(view.platform),
        created=_text(view.created),
        layers=list(_layers(view, drawn, change, _text(before.name) if before else "")),
        packages=list(_packages(view, packages, change)),
        more_packages=len(largest) - len(packages),
        picture=drawn,
        looked_at=sum(files is not None for files in image.files),
    )
    stack = stacked(image.files)
    if found.looked_at:
        _tell_files(found, stack)
    if before and change:
        removed = sorted(_text(package.id) for package in change.removed)
        found.change = Change(_text(before.name), change.bytes_needed, len(change.kept), removed)
        if None not in (*before.files, *image.files):
            found.change.files = _differences(stacked(before.files), stack)
    return found


def _text(text: str) -> str:
    """`text` in readable form, without control characters or signs that reverse the direction of text."""
    return shown(text.encode(errors="surrogateescape"))


def _layers(view: ImageView, drawn: Node, change: Comparison | None, before: str) -> Iterator[LayerFacts]:
    new = {id(one.layer): one.difference for one in change.new} if change else {}
    for layer, node in zip(view.layers, drawn.parts, strict=True):
        record = layer.record
        found = LayerFacts(
            name=node.name,
            digest=record.digest if record else "",
            size=node.size,
            unpacked=(record.tar_size if record else 0) or sum(part.size for part in node.parts),
            packages=len(layer.packages),
            made=record is not None,
        )
        if change:
            found.fetched = id(layer) in new
            found.why = _why(layer, new[id(layer)]) if found.fetched else f"same as in {before}"
        yield found


def _why(layer: LayerView, difference: Difference) -> str:
    return in_words(difference) if layer.packages else "other files"


def _packages(view: ImageView, packages: Sequence[Package], change: Comparison | None) -> Iterator[PackageFacts]:
    """The packages in their order; a package's number is its position."""
    numbers = {package.id: number for number, package in enumerate(packages)}
    layers = {package.id: number for number, layer in enumerate(view.layers) for package in layer.packages}
    by = brought_by(closure_of(view))
    states = _states(change)
    for package in packages:
        needs = {numbers[to] for to in package.references if to in numbers and to != package.id}
        yield PackageFacts(
            id=_text(package.id),
            name=_text(package.name),
            size=package.size,
            layer=layers[package.id],
            source=package.source,
            by=numbers.get(by.get(package.id, ""), -1),
            needs=sorted(needs),
            state=states.get(package.id, ""),
        )


def _states(change: Comparison | None) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for one in change.new if change else ():
        for state in ("added", "changed", "moved"):
            found |= dict.fromkeys((package.id for package in getattr(one.difference, state)), state)
    return found


def _tell_files(found: Facts, stack: Stack) -> None:
    """Add what is known about files."""
    found.files = len([one for one in stack.seen.values() if one.file.size or one.file.digest])
    found.unpacked = sum(one.file.size for one in stack.seen.values())
    covered = sorted(stack.hidden, key=lambda one: (-one.placed.file.size, one.placed.file.path, one.by))
    found.hidden = Waste(
        len(covered),
        sum(one.placed.file.size for one in covered),
        [_file(one.placed, f"hidden by {found.layers[one.by].name}") for one in covered[:_LISTED]],
    )
    several = twins(stack)
    found.twins = Waste(
        sum(len(one.places) - 1 for one in several),
        sum(one.wasted for one in several),
        [_several(one.places, one.wasted) for one in several[:_LISTED]],
    )
    found.leftovers = [FileFacts(what, size, times=count) for what, count, size in leftovers(stack)]


def _file(placed: Placed, about: str) -> FileFacts:
    return FileFacts(about, placed.file.size, placed.layer, places=[_text(placed.file.path)])


def _several(places: Sequence[Placed], wasted: int) -> FileFacts:
    told = [_text(one.file.path) for one in places[:_PLACES]]
    return FileFacts("", wasted, places[0].layer, len(places), told)


def _differences(old: Stack, new: Stack) -> dict[str, Waste]:
    """The files that differ, grouped by what became of them."""
    every = sorted(changed(old, new), key=lambda one: (-one[1].size, one[1].path))
    found = {}
    for state in ("added", "changed", "removed"):
        files = [file for how, file in every if how == state and file.digest]
        largest = [FileFacts(state, file.size, places=[_text(file.path)]) for file in files[:_LISTED]]
        found[state] = Waste(len(files), sum(file.size for file in files), largest)
    return found
