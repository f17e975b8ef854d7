"""What an image is made of, as a tree to look into: layers, packages, folders, files; and where each is drawn.

Large images have very many files. The largest parts of the tree are kept, down to single files, and what is left over
in a folder becomes one part of it. Where a folder has more parts than can be told apart, the small ones come together
in a part that can be opened in its turn.
"""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from lamella.errors import shown
from lamella.pipeline.view import LayerView
from lamella.report.files import File, Files, Sort
from lamella.report.treemap import NARROW, WIDE, Part, Tile, tiles

MOST = 3000
"""Parts that are kept."""
_SIDE_BY_SIDE = 60
_TENTHS = 10

Place = tuple[int, int, int, int, int]
"""Where a part is drawn, in tenths of a unit: left, top, width, height; and how many letters there is room for."""


class Node(msgspec.Struct, omit_defaults=True):
    """A part of the image. Drawn as part of what is looked at (`wide`, `narrow`), or one level below (`inner`).

    `package` is its number among the packages of the page, counted from 1.
    """

    name: str
    size: int
    kind: str = "file"
    files: int = 0
    package: int = 0
    parts: list["Node"] = []
    wide: Place | None = None
    narrow: Place | None = None
    wide_inner: Place | None = None
    narrow_inner: Place | None = None


@dataclass
class _Branch:
    """A part while it is counted."""

    name: str
    kind: str
    size: int = 0
    files: int = 0
    package: int = 0
    parts: dict[str, "_Branch"] = field(default_factory=dict)

    def child(self, name: str, kind: str) -> "_Branch":
        return self.parts.setdefault(name, _Branch(name, kind))

    def put(self, steps: Sequence[str], size: int) -> None:
        """A file below it, at the end of `steps`."""
        here = self
        here._count(size)
        for depth, step in enumerate(steps, 1):
            here = here.child(step, "folder" if depth < len(steps) else "file")
            here._count(size)

    def _count(self, size: int) -> None:
        self.size += size
        self.files += 1


def tree(layers: Sequence[LayerView], files: Files, numbers: dict[str, int]) -> Node:
    """The image of `layers` with places for all that is shown of it; `numbers` are those of packages."""
    branches = [_layer(layer, told, numbers) for layer, told in zip(layers, files, strict=True)]
    sizes = [one.record.size if one.record else branch.size for one, branch in zip(layers, branches, strict=True)]
    kept = _kept(branches)
    parts = [
        msgspec.structs.replace(_node(branch, kept), size=size) for branch, size in zip(branches, sizes, strict=True)
    ]
    root = Node("image", sum(sizes), "image", sum(branch.files for branch in branches), parts=parts)
    _draw(root)
    return root


def _layer(layer: LayerView, files: Sequence[File] | None, numbers: dict[str, int]) -> _Branch:
    top = _Branch(shown(layer.name.partition("\n")[0][:200].encode(errors="replace")), "layer")
    homes = {package.id: package.at.rstrip("/") for package in layer.packages}
    for file in files or ():
        if file.sort is Sort.FILE:
            owner = file.package or "other files"
            inside = file.path.removeprefix(f"{homes.get(owner, '')}/").lstrip("/")
            branch = top.child(owner, "package" if file.package else "folder") if layer.packages else top
            branch.put([shown(step.encode(errors="surrogateescape")) for step in inside.split("/")], file.size)
    known = {file.package for file in files or ()}
    if layer.packages and not known.issuperset(homes):
        top.parts.pop("other files", None)
    for package in layer.packages:
        branch = top.child(package.id, "package")
        branch.name, branch.package = shown(package.name.encode(errors="replace")), numbers[package.id]
        branch.size = branch.size if package.id in known else branch.size + package.size
    if top.parts:
        top.size = sum(part.size for part in top.parts.values())
        top.files = sum(part.files for part in top.parts.values())
    return top


def _below(branch: _Branch) -> list[_Branch]:
    return sorted(branch.parts.values(), key=lambda part: (-part.size, part.name, part.kind))


def _kept(tops: Sequence[_Branch]) -> set[int]:
    """The largest parts, by identity. What is around a part is as large, and is kept with it."""
    count = itertools.count()
    kept = set(map(id, tops))
    waiting = [(-part.size, next(count), part) for top in tops for part in _below(top)]
    heapq.heapify(waiting)
    while waiting and len(kept) < MOST:
        *_, part = heapq.heappop(waiting)
        kept.add(id(part))
        for inner in _below(part):
            heapq.heappush(waiting, (-inner.size, next(count), inner))
    return kept


def _node(branch: _Branch, kept: set[int]) -> Node:
    """What is told of a part. A folder with a single folder in it is one with that."""
    name = branch.name
    while branch.kind == "folder" and len(branch.parts) == 1:
        (only,) = branch.parts.values()
        name, branch = f"{name}/{only.name}", replace(only, package=branch.package)
    below = _below(branch)
    parts = [_node(part, kept) for part in below if id(part) in kept]
    rest = [part for part in below if id(part) not in kept]
    if parts and rest:
        files = sum(part.files for part in rest)
        parts.append(Node(f"{len(rest):,} more", sum(part.size for part in rest), "rest", files))
    return Node(name, branch.size, branch.kind, branch.files, branch.package, _gathered(parts))


def _gathered(parts: list[Node]) -> list[Node]:
    """`parts`, the smallest of them in one if they are too many to be seen side by side."""
    if len(parts) <= _SIDE_BY_SIDE:
        return parts
    rest = parts[_SIDE_BY_SIDE - 1 :]
    size, files = sum(part.size for part in rest), sum(part.files for part in rest)
    more = Node(f"{len(rest):,} smaller", size, "rest", files, parts=_gathered(rest))
    return [*parts[: _SIDE_BY_SIDE - 1], more]


def _draw(node: Node) -> None:
    """Gives all that can be seen when `node` is looked at its place, and so on below."""
    for (width, height), shape in ((WIDE, "wide"), (NARROW, "narrow")):
        parts = [Part(one.name, one.size, tuple(Part(two.name, two.size) for two in one.parts)) for one in node.parts]
        for tile, part in zip(tiles(parts, width, height), node.parts, strict=True):
            setattr(part, shape, _place(tile))
            for inner, below in _seen(tile, part):
                setattr(below, f"{shape}_inner", _place(inner))
    for part in node.parts:
        _draw(part)


def _seen(tile: Tile, part: Node) -> Iterator[tuple[Tile, Node]]:
    """The tiles in a tile that are large enough to be seen."""
    for inner, below in zip(tile.tiles, part.parts, strict=True):
        if min(inner.box.width, inner.box.height) >= 1:
            yield inner, below


def _place(tile: Tile) -> Place:
    box = tile.box
    x, y, width, height = (round(_TENTHS * one) for one in (box.x, box.y, box.width, box.height))
    return x, y, width, height, tile.letters
