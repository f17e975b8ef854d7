"""What we write means the same to nix2container, and is read back with everything that is ours."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from tests.cli.nix2container import KNOWN, TAR, image, stored, write
from tests.cli.replay import tar_of
from tests.command import good

from lamella.images.document import encode_document, read_layers

SPEC = """
name = "ours"
compression = "none"

[[layer]]
name = "moved"
files = [{ from = "../data/tar-directory/", to = "/srv/$x" }, { from = "../data/layer1/", to = "/" }]

[[layer]]
name = "store"
nix = [{ graph = "graph.json" }]
rewrites = [{ match = "^.*/(a{32})", to = "/usr/${1}_$x" }]
perms = [{ match = "/file1$", mode = "0641", uid = 7, gname = "g" }]

[[layer]]
name = "twice"
nix = [{ graph = "graph.json" }]
rewrites = [{ match = "^.*/a{32}", to = "/opt" }, { match = "^/opt", to = "/home" }]

[[layer]]
name = "excluded"
files = [{ from = "../data/tar-directory/", to = "/opt", exclude = ["sym*"] }]

[[layer]]
name = "ignored"
files = [{ from = "../data/tar-directory/", to = "/usr" }]
ignore = "link$"

[[layer]]
name = "permitted"
files = [{ from = "../data/tar-directory/", to = "/etc" }]
perms = [{ match = "^/etc/file1$", mode = "0600" }]

[[layer]]
name = "cut"
files = [{ from = "../data/large", to = "/large" }]
max_bytes = 4000

[[layer]]
name = "kept"
files = [{ from = "../data/layer1/file1", to = "/kept" }]
perms = [{ match = "kept", mode = "0600" }]
reproducible = false
"""


@pytest.fixture
def spec(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One layer of each kind, said to be as nix2container has it or not."""
    monkeypatch.chdir(work)
    (work / "lamella.toml").write_text(SPEC)
    (work.parent / "data" / "large").mkdir()
    for number in range(5):
        (work.parent / "data" / "large" / str(number)).write_bytes(bytes(1000))
    path = work.parent / "data" / f"{'a' * 32}-hello-1.0"
    shutil.copytree(work.parent / "data" / "tar-directory", path, symlinks=True)
    write(work, [{"path": str(path), "references": [str(path)], "narSize": 13}], "graph.json")
    return work


def test_what_we_write_says_the_same_to_nix2container(spec: Path) -> None:
    good(spec, "build", "--layers-json", "layers.json")
    layers = json.loads((spec / "layers.json").read_bytes())
    assert layers == json.loads((spec / "image.json").read_bytes())["layers"]
    told: dict[str, list[str]] = {"paths": [], "file": [], "neither": []}
    for layer in layers:
        assert layer["digest"] == layer["diff_ids"]
        assert layer["mediatype"] == TAR
        name = layer["lamella"]["name"].partition(":")[0]
        if "layer-path" in layer:
            data = Path(layer["layer-path"]).read_bytes()
            assert (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)) == (layer["digest"], layer["size"])
            told["file"].append(name)
        elif "paths" in layer:
            assert {rule for item in layer["paths"] for rule in item.get("options", {})} <= {"rewrite", "perms"}
            digest, size = tar_of(layer["paths"])
            assert (f"sha256:{digest}", size) == (layer["digest"], layer["size"])
            told["paths"].append(name)
        else:
            told["neither"].append(name)
    assert told["paths"] == ["moved", "store"]
    assert told["file"] == ["kept"]
    assert [*dict.fromkeys(told["neither"])] == ["twice", "excluded", "ignored", "permitted", "cut"]
    assert f"{len(layers)} layers, 0 problems" in good(spec, "validate", "layers.json")


def test_our_notes_survive_as_a_list_of_layers(spec: Path) -> None:
    good(spec, "build", "--layers-json", "layers.json")
    assert encode_document(read_layers((spec / "layers.json").read_bytes(), "")) == (spec / "layers.json").read_bytes()
    shown = [json.loads(good(spec, "inspect", f"{name}.json", "--json"))["layers"] for name in ("image", "layers")]
    assert shown[0] == shown[1]
    good(spec, "build", "layer", "moved", "--layers-json", "one.json")
    assert json.loads((spec / "one.json").read_bytes()) == json.loads((spec / "layers.json").read_bytes())[:1]


def test_a_layer_alone_is_explained_without_what_it_refers_to_below(work: Path) -> None:
    names = {name: str(work / "store" / f"{name * 32}-{name}-1.0") for name in "abcd"}
    told = {"a": "c b", "b": "d", "c": "", "d": ""}
    for name in names:
        Path(names[name]).mkdir(parents=True)
    for file, members in (("low.json", "c"), ("all.json", "abcd")):
        references = {name: [names[to] for to in told[name].split()] for name in members}
        write(work, [{"path": names[n], "references": references[n], "narSize": 1} for n in members], file)
    layers = [f'[[layer]]\nname = "{name}"\nnix = [{{ graph = "{name}.json" }}]\n' for name in ("low", "all")]
    (work / "lamella.toml").write_text('name = "ours"\n' + "".join(layers))
    good(work, "build", "layer", "all", "-o", "one.json")
    assert json.loads(good(work, "explain", "d", "one.json", "--json"))["chain"] == [names[n] for n in "abd"]
    graph = json.loads(good(work, "inspect", "one.json", "--graph"))
    assert [(item["path"], item["references"]) for item in graph] == [
        (names["a"], [names["b"]]),
        (names["b"], [names["d"]]),
        (names["d"], []),
    ]


def test_the_layers_of_a_base_lie_where_we_say(work: Path) -> None:
    write(work, image(stored(work, "gzip"), KNOWN[0]))
    good(work, "copy", "image.json", "oci:base")
    text = 'name = "ours"\nbase = "oci:base"\nplatforms = ["linux/arm64"]\nfiles = ["../data/layer1"]\n'
    (work / "lamella.toml").write_text(text)
    good(work, "build", "--layers-json", "layers.json")
    layers = json.loads((work / "layers.json").read_bytes())
    for layer in layers[:2]:
        assert layer["mediatype"] == f"{TAR}+gzip"
        data = Path(layer["layer-path"]).read_bytes()
        assert (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)) == (layer["digest"], layer["size"])
    assert "3 layers, 0 problems" in good(work, "validate", "layers.json")
    assert "3 layers, 0 problems" in good(work, "validate", "image.json")
    write(work, image(KNOWN[1]), "other.json")
    good(work, "copy", "other.json", "oci:base")
    with pytest.raises(AssertionError, match=r"base 'oci:base' has changed since .*image\.json was built on it"):
        good(work, "copy", "image.json", "oci:out")


def test_what_json_cannot_name_gets_one_line(work: Path) -> None:
    folder = work / os.fsdecode(b"\xff")
    folder.mkdir()
    (folder / "file").touch()
    (folder / "lamella.toml").write_text('name = "ours"\nfiles = ["file"]\n')
    with pytest.raises(AssertionError, match=r"lamella: .* is not UTF-8, so it cannot be in an image\.json"):
        good(folder, "build")
