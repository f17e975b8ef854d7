"""The previous image, wherever it comes from: unchanged layers are kept, and churn is learned from it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cli.nix2container import KNOWN, image, write
from tests.command import good, run

NAMES = ("a", "b", "c", "d", "e", "f")
SPEC = f"""
name = "learns"
files = {json.dumps(NAMES)}
layering = "steady"
compression = "none"
max_layers = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "learns"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text(name * 1000)
    (folder / "lamella.toml").write_text(SPEC)
    return folder


def build(folder: Path, output: str, *args: str) -> dict[str, Any]:
    """Return the document of a build with an empty cache."""
    shutil.rmtree(folder.parent / "cache", ignore_errors=True)
    good(folder, "build", "-o", output, *args)
    told: dict[str, Any] = json.loads((folder / output).read_bytes())
    return told


def test_churn_is_learned_from_one_image_to_the_next(folder: Path) -> None:
    names = {name: f"{name} -> /{name}" for name in NAMES}
    assert "names" not in build(folder, "0.json")["lamella"]
    for step in range(3):
        (folder / "c" / "file").write_text(f"{step}")
        told = build(folder, f"{step + 1}.json", "--previous", f"{step}.json")
    assert told["lamella"]["names"] == {names[name]: [3 if name == "c" else 0, 3] for name in NAMES}


def test_layers_that_are_whole_are_kept_and_lie_lowest(folder: Path) -> None:
    first = build(folder, "first.json")
    (folder / "c" / "file").write_text("other")
    second = build(folder, "second.json", "--previous", "first.json")
    digests = [[layer["digest"] for layer in told["layers"]] for told in (first, second)]
    kept = [digest for digest in digests[0] if digest in digests[1]]
    assert kept
    assert digests[1][: len(kept)] == kept
    assert len(digests[1]) <= 3


@pytest.mark.parametrize("before", [image(*KNOWN), image(), KNOWN, []], ids=["image", "empty", "layers", "none"])
def test_nothing_is_learned_where_nothing_is_told(folder: Path, before: object) -> None:
    write(folder, before, "before.json")
    assert build(folder, "with.json", "--previous", "before.json") == build(folder, "without.json")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not valid"),
        (json.dumps(image(KNOWN[0])).encode()[:-20], "is not valid"),
        (b'{"version": 1, "layers": 5}', "`$.layers`"),
        (b'{"version": 7}', "version 7"),
        (b'{"version": 1, "lamella": {"names": {"a": [1, ' + b"9" * 400 + b"]}}}", "`$.lamella.names[...][1]`"),
        (b'{"version": 1, "lamella": {"names": {"a": [-1, 2]}}}', ">= 0"),
        (b"[" * 100_000, "recursion"),
    ],
    ids=["empty", "cut", "type", "version", "huge", "negative", "deep"],
)
def test_a_damaged_document_gets_one_line(folder: Path, data: bytes, said: str) -> None:
    (folder / "before.json").write_bytes(data)
    for args in (
        ["build", "--previous", "before.json"],
        ["inspect", "before.json"],
        ["copy", "before.json", "oci:out"],
    ):
        told = run(folder, *args)
        assert (told.returncode, told.stdout) == (4, "")
        assert said in told.stderr
        assert told.stderr.startswith("lamella: before.json ")
        assert len(told.stderr.splitlines()) == 1
    assert not (folder / "image.json").exists()
