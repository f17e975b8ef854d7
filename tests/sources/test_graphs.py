"""The shapes in which Nix tells of a closure."""

import json
from pathlib import Path
from typing import Any

import pytest

from lamella.closure import Closure
from lamella.sources.nix.graph import NixError, read_graph

LIBC, HELLO = "/nix/store/" + "a" * 32 + "-libc-2.36", "/nix/store/" + "b" * 32 + "-hello-2.12"
HASH = "sha256:" + "0" * 64


class Nothing:
    def read(self, name: str, kind: object) -> None:
        raise AssertionError(name)

    def write(self, name: str, value: object) -> None:
        raise AssertionError(name)


def info(references: list[str], size: int) -> dict[str, Any]:
    return {"references": references, "narSize": size, "narHash": HASH}


INFOS = {LIBC: info([LIBC], 10), HELLO: info([LIBC, HELLO], 20)}
LISTED = [{"path": path, **told} for path, told in INFOS.items()]
BASES = {
    Path(path).name: {**told, "references": [Path(name).name for name in told["references"]]}
    for path, told in INFOS.items()
}

SHAPES = {
    "list": LISTED,
    "by path": INFOS,
    "by base name": {"version": 2, "storeDir": "/nix/store", "info": BASES},
    "attributes of a builder": {"name": "x", "outputs": ["out"], "inputs": [], "closure": LISTED},
    "two graphs": {"one": LISTED[:1], "two": LISTED},
}


def read(folder: Path, told: object) -> Closure:
    (folder / "graph.json").write_text(json.dumps(told))
    return read_graph(folder / "graph.json", Nothing())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_tells_the_same(tmp_path: Path, shape: str) -> None:
    found = read(tmp_path, SHAPES[shape])
    assert [(p.id, p.name, p.size, p.references) for p in found.packages] == [
        (LIBC, "libc", 10, ()),
        (HELLO, "hello", 20, (LIBC,)),
    ]
    assert found.roots == (HELLO,)
    assert found == read(tmp_path, LISTED)


@pytest.mark.parametrize("told", [1, [1], {"a": 1}, [{"path": 1}], {"info": {"x": None}}, [{"path": "/x"}]])
def test_what_is_no_graph_is_refused(tmp_path: Path, told: object) -> None:
    with pytest.raises(NixError):
        read(tmp_path, told)
