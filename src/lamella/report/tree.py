"""What an image is made of, as a tree of layers, packages, folders and files; and where each part is drawn.

Large images have very many files. The largest parts of the tree are kept, down to single files, and what is left over
in a folder becomes one part. If a folder has more parts than can be told apart, the small ones are gathered in a part
that can be opened in turn.
"""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from lamella.errors import shown
from lamella.pipeline.explain.view import LayerView
from lamella.report.files import File, Files, Sort
from lamella.report.treemap import NARROW, WIDE, Part, Tile, label, tiles

MOST = 3000
"""How many parts are kept."""
_OTHERS = "other files"
_DEEPEST = 60
"""How deep folders are nested; what is deeper gets a longer name instead."""
_SIDE_BY_SIDE, _FEW = 60, 30
_TENTHS = 10

_NUMBERS = 5
"""Of a place: left, top, width and height, in tenths of a unit, and how many letters there is room for."""
_INNER = 2 * _NUMBERS


class Node(msgspec.Struct, omit_defaults=True):
    """A part of the image; `package` is its number among the packages of the page, counted from 1.

    `at` is where it is drawn: as a part of what is looked at on a wide screen and on a narrow one, and likewise where
    that is one level higher, if it can be seen there.
    """

    name: str
    size: int
    kind: str = "file"
    files: int = 0
    package: int = 0
    parts: list["Node"] = []
    at: list[int] = []


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a part is drawn, and as much of its name as there is room for."""

    x: float
    y: float
    width: float
    height: float
    label: str


def spot(part: Node, *, narrow: bool = False, inner: bool = False) -> Spot | None:
    """The place of a part on a screen; None if it cannot be seen there."""
    start = _INNER * inner + _NUMBERS * narrow
    numbers = part.at[start : start + _NUMBERS]
    if not any(numbers):
        return None
    x, y, width, height, letters = numbers
    return Spot(x / _TENTHS, y / _TENTHS, width / _TENTHS, height / _TENTHS, label(part.name, letters))


@dataclass
class _Branch:
    """A part whose size is still being added up."""

    name: str
    kind: str
    size: int = 0
    files: int = 0
    package: int = 0
    parts: dict[str, "_Branch"] = field(default_factory=dict)

    def child(self, name: str, kind: str) -> "_Branch":
        return self.parts.setdefault(name, _Branch(name, kind))

    def put(self, steps: Sequence[str], size: int) -> None:
        """Add a file below this part, at the end of `steps`."""
        here = self
        here._count(size)
        for depth, step in enumerate(steps, 1):
            here = here.child(step, "folder" if depth < len(steps) else "file")
            here._count(size)

    def _count(self, size: int) -> None:
        self.size += size
        self.files += 1


def tree(layers: Sequence[LayerView], files: Files, numbers: dict[str, int]) -> Node:
    """The image of `layers`, with places for everything that is shown; `numbers` are the packages' numbers."""
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
    top = _Branch(layer.name.partition("\n")[0][:200], "layer")
    packages = {package.id: package for package in layer.packages}
    homes = {name: f"{package.at.rstrip('/')}/" for name, package in packages.items()}
    known = set()
    for file in files or ():
        known.add(file.package)
        if file.sort is Sort.FILE:
            owner = file.package or _OTHERS
            inside = file.path.removeprefix(homes.get(owner, "/")).lstrip("/")
            branch = top.child(owner, "package" if file.package else "folder") if packages else top
            branch.put(inside.split("/", _DEEPEST), file.size)
    if not known.issuperset(packages):
        top.parts.pop(_OTHERS, None)
    for name, package in packages.items():
        branch = top.child(name, "package")
        branch.name, branch.package = package.name, numbers.get(name, 0)
        branch.size = branch.size if name in known else branch.size + package.size
    if top.parts:
        top.size = sum(part.size for part in top.parts.values())
        top.files = sum(part.files for part in top.parts.values())
    return top


def _below(branch: _Branch) -> list[_Branch]:
    return sorted(branch.parts.values(), key=lambda part: (-part.size, part.name, part.kind))


def _kept(tops: Sequence[_Branch]) -> set[int]:
    """The largest parts, by identity. What contains a part is at least as large, so it is kept too."""
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
    """The node for a part. A folder that contains only one folder is merged with it."""
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
    if branch.kind != "folder":
        parts = _opened(parts)
    name = shown(name.encode(errors="surrogateescape"))
    return Node(name, branch.size, branch.kind, branch.files, branch.package, _gathered(parts))


def _opened(parts: list[Node]) -> list[Node]:
    """`parts`, where a folder that is larger than all the rest together is replaced by its contents, repeatedly."""
    total = sum(part.size for part in parts)
    while parts and len(parts) < _FEW and parts[0].kind == "folder" and parts[0].parts and 2 * parts[0].size > total:
        folder, *others = parts
        inner = [msgspec.structs.replace(one, name=_joined(folder, one)) for one in folder.parts]
        parts = sorted([*inner, *others], key=lambda part: (-part.size, part.name))
    return parts


def _joined(folder: Node, part: Node) -> str:
    return f"{part.name} in {folder.name}" if part.kind == "rest" else f"{folder.name}/{part.name}"


def _gathered(parts: list[Node]) -> list[Node]:
    """`parts`; if there are too many to be seen side by side, the smallest are gathered in one."""
    if len(parts) <= _SIDE_BY_SIDE:
        return parts
    rest = parts[_SIDE_BY_SIDE - 1 :]
    size, files = sum(part.size for part in rest), sum(part.files for part in rest)
    more = Node(f"{len(rest):,} smaller", size, "rest", files, parts=_gathered(rest))
    return [*parts[: _SIDE_BY_SIDE - 1], more]


def _draw(node: Node) -> None:
    """Give everything that is visible when `node` is shown its place, and so on below."""
    for number, (width, height) in enumerate((WIDE, NARROW)):
        parts = [Part(one.name, one.size, tuple(Part(two.name, two.size) for two in one.parts)) for one in node.parts]
        for tile, part in zip(tiles(parts, width, height), node.parts, strict=True):
            _place(tile, part, _NUMBERS * number)
            for inner, below in zip(tile.tiles, part.parts, strict=True):
                if min(inner.box.width, inner.box.height) >= 1:
                    _place(inner, below, _INNER + _NUMBERS * number)
    for part in node.parts:
        _draw(part)


def _place(tile: Tile, part: Node, start: int) -> None:
    part.at.extend([0] * (start + _NUMBERS - len(part.at)))
    box = tile.box
    numbers = (round(_TENTHS * one) for one in (box.x, box.y, box.width, box.height))
    part.at[start : start + _NUMBERS] = [*numbers, tile.letters]
