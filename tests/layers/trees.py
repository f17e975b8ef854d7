"""Random trees, as entries in memory and as files on disk."""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hypothesis import strategies as st

from lamella.oci.digest import Digest
from lamella.package import Entry, Kind, Package, order
from lamella.sources.tree import walk


@dataclass(frozen=True)
class Node:
    """A file with its bytes, a link with its target, or a folder."""

    kind: Kind
    mode: int
    data: bytes = b""


Tree = Mapping[bytes, Node]
"""By path, with all folders; the root is the shortest path."""

_NAMES = st.one_of(
    st.sampled_from([b"a", b"b", b"a.b", b"a-b", b"ab", b"a b", b"\n", "ü".encode(), b"\xe9", b"x" * 255, b"y" * 120]),
    st.binary(min_size=1, max_size=8).map(lambda name: name.translate(None, b"\0/") or b"c"),
).filter(lambda name: name not in (b".", b".."))
_DATA = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, 511, 512, 513, 65535, 65536, 65537, 100_000]).map(lambda size: b"d" * size),
)
_FILES = st.builds(
    lambda mode, data: Node(Kind.FILE, mode, data), st.sampled_from([0o644, 0o755, 0o444, 0o4755]), _DATA
)
_LINKS = st.builds(lambda to: Node(Kind.SYMLINK, 0o777, to), st.lists(_NAMES, min_size=1, max_size=6).map(b"/".join))


def trees(root: bytes, max_leaves: int = 12) -> st.SearchStrategy[Tree]:
    """Trees whose root folder is `root`."""
    places = st.lists(_NAMES, min_size=1, max_size=5).map(lambda parts: root + b"/" + b"/".join(parts))
    leaves = st.dictionaries(
        places, st.one_of(_FILES, _LINKS, st.just(Node(Kind.DIRECTORY, 0o700))), max_size=max_leaves
    )
    return leaves.map(lambda found: _with_folders(root, found))


def _with_folders(root: bytes, leaves: Tree) -> Tree:
    whole = {root: Node(Kind.DIRECTORY, 0o755)}
    for path in sorted(leaves):
        above = path
        while (above := above.rpartition(b"/")[0]) != root:
            whole[above] = Node(Kind.DIRECTORY, 0o755)
    whole.update((path, node) for path, node in leaves.items() if path not in whole)
    return whole


def entries(tree: Tree) -> Iterator[Entry]:
    """`tree` in order, from memory."""
    for path in sorted(tree, key=order):
        node = tree[path]
        link = node.kind is Kind.SYMLINK
        size = len(node.data) if node.kind is Kind.FILE else 0
        yield Entry(path, node.kind, node.mode, size, node.data if link else b"", _opener(node.data))


def _opener(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(data)


def on_disk(tree: Tree, root: bytes, folder: Path) -> Iterator[Entry]:
    """`tree` written below `folder`, and walked."""
    base = os.fsencode(folder / "tree")
    for path in sorted(tree, key=order):
        node, place = tree[path], Path(os.fsdecode(base + path.removeprefix(root)))
        if node.kind is Kind.SYMLINK:
            place.symlink_to(os.fsdecode(node.data))
            continue
        if node.kind is Kind.DIRECTORY:
            place.mkdir()
        else:
            place.write_bytes(node.data)
        place.chmod(node.mode)
    return walk(base, root)


def package(name: str, path: str = "", size: int = 0) -> Package:
    """A package whose content does not matter."""
    return Package(name, name, Digest("sha256:" + "0" * 64), size, path=path, at=path)
