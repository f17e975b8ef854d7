"""What nix2container wrote goes through every command."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.cli.nix2container import KNOWN, TAR, image, layer, stored, write
from tests.cli.replay import tar_of
from tests.command import good

from lamella.images.layout import open_layout
from lamella.layers.compress import compressor


@pytest.mark.parametrize("known", KNOWN, ids=["folder", "file", "mode"])
def test_the_reader_of_these_tests_gives_the_known_answers(
    work: Path, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    assert tar_of(known["paths"]) == (known["digest"][7:], known["size"])


@pytest.mark.parametrize("known", KNOWN, ids=["folder", "file", "mode"])
def test_known_answers_come_out_bit_for_bit(work: Path, known: dict[str, Any]) -> None:
    write(work, image(known))
    assert known["digest"][7:19] in good(work, "inspect", "image.json")
    assert "1 layer, 0 problems" in good(work, "validate", "image.json")
    for place in ("oci:out:v1", "oci-archive:out.tar:v1", "docker-archive:docker.tar:app:v1"):
        good(work, "copy", "image.json", place)
        told = json.loads(good(work, "inspect", place, "--json"))
        assert [layer["diff_id"] for layer in told["layers"]] == [known["digest"]]
        assert told["platform"] == "linux/arm64"
        assert "1 layer, 0 problems" in good(work, "validate", place)
    found = open_layout(work / "out", "v1")
    shipped = found.layers[0].record
    assert (shipped.diff_id, shipped.media_type) == (known["digest"], f"{TAR}+gzip")
    told = json.loads(good(work, "copy", "image.json", "oci:out:v1", "--json"))
    assert told["layers"] == [{"digest": shipped.digest, "size": shipped.size}]
    assert found.config.config.entrypoint == ["/bin/app"]
    assert found.config.history[0].created_by == "nix2container"


def test_layers_alone_are_an_image_too(work: Path) -> None:
    write(work, KNOWN[:2], "layers.json")
    write(work, image(KNOWN[0]))
    assert "2 layers, 0 problems" in good(work, "validate", "layers.json")
    good(work, "copy", "layers.json", "oci:out:v1")
    assert [layer.record.diff_id for layer in open_layout(work / "out").layers] == [
        KNOWN[0]["digest"],
        KNOWN[1]["digest"],
    ]
    told = json.loads(good(work, "diff", "image.json", "layers.json", "--json"))
    assert (told["kept"], len(told["layers"])) == (1, 1)
    assert "layer 1" in good(work, "explain", "../data/layer1/file1", "layers.json")


@pytest.mark.parametrize("none", ["[]", "null\n"])
def test_no_layers_are_an_image_too(work: Path, none: str) -> None:
    (work / "layers.json").write_text(none)
    good(work, "copy", "layers.json", "oci:out")
    assert open_layout(work / "out").layers == ()
    assert "0 layers, 0 problems" in good(work, "validate", "layers.json")


def test_a_link_as_nix_makes_it_leads_to_the_document(work: Path) -> None:
    write(work, image(KNOWN[0]), "abc-image-app.json")
    (work / "result").symlink_to("abc-image-app.json")
    assert "1 layer, 0 problems" in good(work, "validate", "result")
    assert KNOWN[0]["digest"][7:19] in good(work, "inspect", "result")


def test_a_layer_of_which_nothing_is_told_but_its_digest(work: Path) -> None:
    untold = {key: value for key, value in KNOWN[0].items() if key != "paths"}
    write(work, image(untold))
    assert KNOWN[0]["digest"][7:19] in good(work, "inspect", "image.json")
    with pytest.raises(AssertionError, match="no paths and no layer-path"):
        good(work, "copy", "image.json", "oci:out")


def test_a_file_that_is_not_what_it_was_is_found_out(work: Path) -> None:
    write(work, image(KNOWN[0]))
    (work.parent / "data" / "tar-directory" / "file1").write_text("Content file1")
    with pytest.raises(AssertionError, match="should be sha256:1ea63d00"):
        good(work, "copy", "image.json", "oci:out")


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_layers_that_are_stored_stay_what_they_are(work: Path, compression: str) -> None:
    base = stored(work, compression)
    write(work, image(base, KNOWN[0]))
    good(work, "copy", "image.json", "oci:out:v1")
    good(work, "copy", "image.json", "docker-archive:docker.tar:app:v1")
    assert "2 layers, 0 problems" in good(work, "validate", "image.json")
    first = open_layout(work / "out").layers[0].record
    assert first.diff_id == base["diff_ids"]
    if compression == "none":
        assert first.media_type == compressor("gzip").media_type
    else:
        assert (first.digest, first.media_type) == (base["digest"], base["mediatype"])
    told = json.loads(good(work, "inspect", "docker-archive:docker.tar", "--json"))
    assert [layer["diff_id"] for layer in told["layers"]] == [base["diff_ids"], KNOWN[0]["digest"]]
    (work / f"blob-{compression}").write_bytes(b"damage")
    with pytest.raises(AssertionError, match=f"blob-{compression}"):
        good(work, "copy", "image.json", "oci:other")


def test_a_layer_that_cannot_be_made_again_comes_from_its_file(work: Path) -> None:
    write(work, image(KNOWN[0]))
    good(work, "copy", "image.json", "docker-archive:docker.tar:app:v1")
    with tarfile.open(work / "docker.tar") as archive:
        (name,) = [name for name in archive.getnames() if KNOWN[0]["digest"][7:] in name]
        archive.extract(name, work, filter="data")
    write(work, image({**KNOWN[0], "layer-path": str(work / name)}))
    (work.parent / "data" / "tar-directory" / "file1").write_text("changed meanwhile")
    assert "1 layer, 0 problems" in good(work, "validate", "image.json")
    good(work, "copy", "image.json", "oci:out")
    assert open_layout(work / "out").layers[0].record.diff_id == KNOWN[0]["digest"]


def test_store_paths_under_rules_say_the_same_to_nix2container(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    rules = {
        "rewrite": {"regex": "^.*/tar-directory", "repl": "/root$1"},
        "perms": [{"regex": "file", "mode": "0400", "orMode": "0200", "uid": 7, "gid": 8, "uname": "u", "gname": "g"}],
        "ignoreDestination": "symlink$",
    }
    paths = [{"path": "../data/tar-directory", "options": rules}]
    digest, size = tar_of(paths)
    write(work, image({**layer((digest, size, "")), "paths": paths}))
    assert "1 layer, 0 problems" in good(work, "validate", "image.json")
