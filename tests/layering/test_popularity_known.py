"""Layers of closure graphs as nix2container's `maxLayers` has them, worked out by hand from its rules.

Numbers in the order in which paths are met reading the graph, and how many walks end in each:

    path   refers to    number  walks
    m      m s t        m 0     1
    t      c t          s 1     2: itself, m
    s      c            t 2     3: itself, m, z
    k                   c 3     6: itself, 2 by s, 3 by t
    c      c            k 4     2: itself, z
    z      k t          z 5     1

So c comes first, then t; k before s, and z before m, since of two that are as popular the higher number comes first.
"""

import json
from pathlib import Path

import pytest

from lamella import Image, Layer, nix, pipeline
from lamella.layering import NOTHING, Budget
from lamella.layering.popularity import count_walks, popularity
from lamella.pipeline.workplace import workplace
from lamella.sources.nix.graph import read_graph
from lamella.spec.model import Spec

GRAPH = {"m": "m s t", "t": "c t", "s": "c", "k": "", "c": "c", "z": "k t"}
HASH = f"sha256:{'0' * 52}"


class Nothing:
    """Remembers nothing and is not asked: the graph has the hashes."""

    def read(self, name: str, kind: object) -> None:
        raise AssertionError(name)

    def write(self, name: str, value: object) -> None:
        raise AssertionError(name)


def path(name: str) -> str:
    return f"/nix/store/{name * 32}-{name}"


def write_graph(file: Path, told: dict[str, str]) -> Path:
    """The file as nix2container takes it out of `.attrs.json`, where Nix writes `exportReferencesGraph`."""
    paths = [
        {
            "closureSize": 1000,
            "narHash": HASH,
            "narSize": 120,
            "path": path(name),
            "references": [path(to) for to in references.split()],
            "valid": True,
        }
        for name, references in told.items()
    ]
    file.write_text(json.dumps(paths))
    return file


def layers(folder: Path, *layers: Layer) -> list[str]:
    """The planned layers, each as the names in it."""
    draft = pipeline.plan(Spec(Image("image", layers=layers), folder), workplace(folder / "cache"))
    return [" ".join(package.name for package in planned.plan.packages) for planned in draft.layers]


def test_walks_are_counted_and_ties_broken_as_worked_out(tmp_path: Path) -> None:
    read = read_graph(write_graph(tmp_path / "graph.json", GRAPH), Nothing())
    walks = count_walks(read)
    assert {package.name: walks[package.id] for package in read.packages} == {
        "m": 1,
        "s": 2,
        "t": 3,
        "k": 2,
        "c": 6,
        "z": 1,
    }
    assert [package.name for group in popularity(read, Budget(9), NOTHING) for package in group] == [*"ctkszm"]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (2, ["c", "t k s z m"]),
        (4, ["c", "t", "k", "s z m"]),
        (5, ["c", "t", "k", "s", "z m"]),
        (6, ["c", "t", "k", "s", "z", "m"]),
        (9, ["c", "t", "k", "s", "z", "m"]),
    ],
)
def test_all_but_one_layer_get_a_path_each_and_the_rest_shares_the_last(
    tmp_path: Path, most: int, expected: list[str]
) -> None:
    write_graph(tmp_path / "graph.json", GRAPH)
    assert layers(tmp_path, Layer("all", [nix(graph="graph.json")], max_layers=most)) == expected


def test_the_order_of_the_graph_decides_ties_and_nothing_else(tmp_path: Path) -> None:
    # Sorted, as nix2container's own graphs are: c 0, k 1, m 2, s 3, t 4, z 5. Now s comes before k.
    write_graph(tmp_path / "graph.json", dict(sorted(GRAPH.items())))
    assert layers(tmp_path, Layer("all", [nix(graph="graph.json")], max_layers=9)) == [*"ctskzm"]


def test_what_lower_layers_hold_is_left_out_and_the_order_stays(tmp_path: Path) -> None:
    write_graph(tmp_path / "low.json", {"t": "c t", "c": "c"})
    write_graph(tmp_path / "graph.json", GRAPH)
    low = Layer("low", [nix(graph="low.json")])
    high = Layer("high", [nix(graph="graph.json")], max_layers=3)
    assert layers(tmp_path, low, high) == ["c t", "k", "s", "z m"]


def test_a_path_of_the_graph_brings_what_it_refers_to(tmp_path: Path) -> None:
    # Of z and what it needs the numbers are t 0, c 1, k 2, z 3; the walks t 2, c 3, k 2, z 1.
    write_graph(tmp_path / "graph.json", GRAPH)
    one = Layer("one", [nix(path("z"), graph="graph.json")], max_layers=9)
    assert layers(tmp_path, one) == ["c", "k", "t", "z"]
