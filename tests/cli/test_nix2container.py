"""nix2container's files: what it wrote goes through every command, and what we write says the same to its readers."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.cli.replay import tar_of

from lamella.images.document import encode_document, read_layers
from lamella.images.reading import open_layout
from lamella.layers.compress import compressor
from lamella.layers.make import pack
from lamella.oci.image import Sink

TAR = "application/vnd.oci.image.layer.v1.tar"
FOLDER = ("1ea63d00b937dc24c711265b80444cc9e7e63751fb7f349b160be61d31381983", 4096, "../data/tar-directory")
FILE = ("cc45bd46eca903b0900ebb997dffd5778904dca9ec02e7375dd1e653dfb61e2e", 3072, "../data/layer1/file1")
OTHER_MODE = ("adf74a52f9e1bcd7dab77193455fa06743b979cf5955148010e5becedba4f72d", 3072, "../data/layer1/file1")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that nix2container's own paths start from."""
    (tmp_path / "data" / "tar-directory").mkdir(parents=True)
    (tmp_path / "data" / "layer1").mkdir()
    (tmp_path / "data" / "tar-directory" / "file1").write_text("content file1")
    (tmp_path / "data" / "tar-directory" / "symlink").symlink_to("file1")
    (tmp_path / "data" / "layer1" / "file1").touch()
    for path in (tmp_path / "data").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def layer(told: tuple[str, int, str], **options: Any) -> dict[str, Any]:
    """A layer as nix2container writes it."""
    digest, size, path = told
    paths = [{"path": path, **({"options": options} if options else {})}]
    history = {"created_by": "nix2container", "comment": "store paths"}
    return {
        "digest": f"sha256:{digest}",
        "size": size,
        "diff_ids": f"sha256:{digest}",
        "paths": paths,
        "mediatype": TAR,
        "History": history,
    }


def image(*layers: dict[str, Any]) -> dict[str, Any]:
    config = {"Env": ["A=b"], "Entrypoint": ["/bin/app"]}
    return {"version": 1, "image-config": config, "layers": list(layers), "arch": "arm64", "created": None}


def write(work: Path, told: object, name: str = "image.json") -> None:
    (work / name).write_text(json.dumps(told))


def lamella(work: Path, *args: str) -> str:
    command = [sys.executable, "-c", "from lamella.cli.main import main; main()", *args]
    env = {**os.environ, "LAMELLA_CACHE": str(work.parent / "cache")}
    ran = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


KNOWN = [layer(FOLDER), layer(FILE), layer(OTHER_MODE, perms=[{"regex": "file1$", "mode": "0641", "uid": 0, "gid": 0}])]


@pytest.mark.parametrize("known", KNOWN, ids=["folder", "file", "mode"])
def test_the_reader_of_these_tests_gives_the_known_answers(
    work: Path, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    assert tar_of(known["paths"]) == (known["digest"][7:], known["size"])


@pytest.mark.parametrize("known", KNOWN, ids=["folder", "file", "mode"])
def test_known_answers_come_out_bit_for_bit(work: Path, known: dict[str, Any]) -> None:
    write(work, image(known))
    assert known["digest"][7:19] in lamella(work, "inspect", "image.json")
    assert "1 layer, 0 problems" in lamella(work, "validate", "image.json")
    for place in ("oci:out:v1", "oci-archive:out.tar:v1", "docker-archive:docker.tar:app:v1"):
        lamella(work, "copy", "image.json", place)
        told = json.loads(lamella(work, "inspect", place, "--json"))
        assert [layer["diff_id"] for layer in told["layers"]] == [known["digest"]]
        assert told["platform"] == "linux/arm64"
        assert "1 layer, 0 problems" in lamella(work, "validate", place)
    found = open_layout(work / "out", "v1")
    shipped = found.layers[0].record
    assert (shipped.diff_id, shipped.media_type) == (known["digest"], f"{TAR}+gzip")
    told = json.loads(lamella(work, "copy", "image.json", "oci:out:v1", "--json"))
    assert told["layers"] == [{"digest": shipped.digest, "size": shipped.size}]
    assert found.config.config.entrypoint == ["/bin/app"]
    assert found.config.history[0].created_by == "nix2container"


def test_layers_alone_are_an_image_too(work: Path) -> None:
    write(work, KNOWN[:2], "layers.json")
    write(work, image(KNOWN[0]))
    assert "2 layers, 0 problems" in lamella(work, "validate", "layers.json")
    lamella(work, "copy", "layers.json", "oci:out:v1")
    assert [layer.record.diff_id for layer in open_layout(work / "out").layers] == [
        KNOWN[0]["digest"],
        KNOWN[1]["digest"],
    ]
    told = json.loads(lamella(work, "diff", "image.json", "layers.json", "--json"))
    assert (told["kept"], len(told["layers"])) == (1, 1)
    assert "layer 1" in lamella(work, "explain", "../data/layer1/file1", "layers.json")


@pytest.mark.parametrize("none", ["[]", "null\n"])
def test_no_layers_are_an_image_too(work: Path, none: str) -> None:
    (work / "layers.json").write_text(none)
    lamella(work, "copy", "layers.json", "oci:out")
    assert open_layout(work / "out").layers == ()
    assert "0 layers, 0 problems" in lamella(work, "validate", "layers.json")


def test_a_link_as_nix_makes_it_leads_to_the_document(work: Path) -> None:
    write(work, image(KNOWN[0]), "abc-image-app.json")
    (work / "result").symlink_to("abc-image-app.json")
    assert "1 layer, 0 problems" in lamella(work, "validate", "result")
    assert KNOWN[0]["digest"][7:19] in lamella(work, "inspect", "result")


def test_a_layer_of_which_nothing_is_told_but_its_digest(work: Path) -> None:
    untold = {key: value for key, value in KNOWN[0].items() if key != "paths"}
    write(work, image(untold))
    assert KNOWN[0]["digest"][7:19] in lamella(work, "inspect", "image.json")
    with pytest.raises(AssertionError, match="no paths and no layer-path"):
        lamella(work, "copy", "image.json", "oci:out")


def test_a_file_that_is_not_what_it_was_is_found_out(work: Path) -> None:
    write(work, image(KNOWN[0]))
    (work.parent / "data" / "tar-directory" / "file1").write_text("Content file1")
    with pytest.raises(AssertionError, match="should be sha256:1ea63d00"):
        lamella(work, "copy", "image.json", "oci:out")


def stored(work: Path, compression: str) -> dict[str, Any]:
    """A layer of a base image: its bytes are in a file, and its size is not told."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("etc/base")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"base"))
    blob = bytearray()

    def give(sink: Sink) -> None:
        sink(data.getvalue())

    record = pack(give, compression, blob.extend)
    file = work / f"blob-{compression}"
    file.write_bytes(blob)
    return {
        "digest": record.digest,
        "size": 0,
        "diff_ids": record.diff_id,
        "mediatype": record.media_type,
        "layer-path": str(file),
        "History": {},
    }


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layers_that_are_stored_stay_what_they_are(work: Path, compression: str) -> None:
    base = stored(work, compression)
    write(work, image(base, KNOWN[0]))
    lamella(work, "copy", "image.json", "oci:out:v1")
    lamella(work, "copy", "image.json", "docker-archive:docker.tar:app:v1")
    assert "2 layers, 0 problems" in lamella(work, "validate", "image.json")
    first = open_layout(work / "out").layers[0].record
    assert first.diff_id == base["diff_ids"]
    if compression == "none":
        assert first.media_type == compressor("gzip").media_type
    else:
        assert (first.digest, first.media_type) == (base["digest"], base["mediatype"])
    told = json.loads(lamella(work, "inspect", "docker-archive:docker.tar", "--json"))
    assert [layer["diff_id"] for layer in told["layers"]] == [base["diff_ids"], KNOWN[0]["digest"]]
    (work / f"blob-{compression}").write_bytes(b"damage")
    with pytest.raises(AssertionError, match=f"blob-{compression}"):
        lamella(work, "copy", "image.json", "oci:other")


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
    lamella(spec, "build", "--layers-json", "layers.json")
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
    assert f"{len(layers)} layers, 0 problems" in lamella(spec, "validate", "layers.json")


def test_our_notes_survive_as_a_list_of_layers(spec: Path) -> None:
    lamella(spec, "build", "--layers-json", "layers.json")
    assert encode_document(read_layers((spec / "layers.json").read_bytes(), "")) == (spec / "layers.json").read_bytes()
    shown = [json.loads(lamella(spec, "inspect", f"{name}.json", "--json"))["layers"] for name in ("image", "layers")]
    assert shown[0] == shown[1]
    lamella(spec, "build", "layer", "moved", "--layers-json", "one.json")
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
    lamella(work, "build", "layer", "all", "-o", "one.json")
    assert json.loads(lamella(work, "explain", "d", "one.json", "--json"))["chain"] == [names[n] for n in "abd"]
    graph = json.loads(lamella(work, "inspect", "one.json", "--graph"))
    assert [(item["path"], item["references"]) for item in graph] == [
        (names["a"], [names["b"]]),
        (names["b"], [names["d"]]),
        (names["d"], []),
    ]


def test_the_layers_of_a_base_lie_where_we_say(work: Path) -> None:
    write(work, image(stored(work, "gzip"), KNOWN[0]))
    lamella(work, "copy", "image.json", "oci:base")
    text = 'name = "ours"\nbase = "oci:base"\nplatforms = ["linux/arm64"]\nfiles = ["../data/layer1"]\n'
    (work / "lamella.toml").write_text(text)
    lamella(work, "build", "--layers-json", "layers.json")
    layers = json.loads((work / "layers.json").read_bytes())
    for layer in layers[:2]:
        assert layer["mediatype"] == f"{TAR}+gzip"
        data = Path(layer["layer-path"]).read_bytes()
        assert (f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)) == (layer["digest"], layer["size"])
    assert "3 layers, 0 problems" in lamella(work, "validate", "layers.json")
    assert "3 layers, 0 problems" in lamella(work, "validate", "image.json")
    write(work, image(KNOWN[1]), "other.json")
    lamella(work, "copy", "other.json", "oci:base")
    with pytest.raises(AssertionError, match=r"base 'oci:base' is not what image\.json was built on"):
        lamella(work, "copy", "image.json", "oci:out")


def test_store_paths_under_rules_say_the_same_to_nix2container(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    shutil.copytree(work.parent / "data" / "tar-directory", work.parent / "data" / "store", symlinks=True)
    rules = {
        "rewrite": {"regex": "^.*/tar-directory", "repl": "/root$1"},
        "perms": [{"regex": "file", "mode": "0400", "orMode": "0200", "uid": 7, "gid": 8, "uname": "u", "gname": "g"}],
        "ignoreDestination": "symlink$",
    }
    paths = [{"path": "../data/tar-directory", "options": rules}]
    digest, size = tar_of(paths)
    write(work, image({**layer((digest, size, "")), "paths": paths}))
    assert "1 layer, 0 problems" in lamella(work, "validate", "image.json")
