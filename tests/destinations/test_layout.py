"""The layout folder: what other programs put there stays, and no failure leaves a wrong blob."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.made import blob_bytes, held, image_with, layer_of, sample, tar_of

from lamella.destinations.destination import DestinationError
from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.images.layout import open_layout
from lamella.oci.image import Image, manifest_of, parcel_of
from lamella.oci.validate import validate
from lamella.staging import StorageError

FILES = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=3000), max_size=4)
IMAGES = st.lists(st.tuples(FILES, st.sampled_from(["none", "gzip", "zstd"])), max_size=4)


def index(folder: Path) -> list[dict[str, object]]:
    manifests = json.loads((folder / "index.json").read_bytes())["manifests"]
    assert isinstance(manifests, list)
    return manifests


@settings(max_examples=25)
@given(IMAGES)
def test_what_is_written_is_read_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[dict[str, bytes], str]]
) -> None:
    folder = tmp_path_factory.mktemp("layout")
    image = image_with(*(layer_of(tar_of(files), kind) for files, kind in parts))
    publish(parcel_of(image), Layout(folder), "v1")
    found = open_layout(folder, "v1")
    assert found.manifest_bytes == manifest_of(image)
    assert found.config_bytes == image.config_bytes
    assert [blob_bytes(layer) for layer in found.layers] == [held(layer).blob_bytes for layer in image.layers]
    assert validate(found) == []

    again = folder.with_name(folder.name + "-copy")
    publish(parcel_of(found), Layout(again), "v1")
    assert tree(again) == tree(folder)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_but_the_layout_is_left(tmp_path: Path) -> None:
    publish(parcel_of(sample()), Layout(tmp_path), "v1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_other_names_and_unknown_words_stay(tmp_path: Path) -> None:
    publish(parcel_of(sample()), Layout(tmp_path), "v1")
    document = json.loads((tmp_path / "index.json").read_bytes())
    document["futureWord"] = {"x": [1, 2.5, 2**70, None]}
    document["manifests"][0]["artifactType"] = "a/b"
    (tmp_path / "index.json").write_text(json.dumps(document))
    publish(parcel_of(sample("arm64")), Layout(tmp_path), "v2")
    publish(parcel_of(sample("arm64")), Layout(tmp_path), "v2")
    found = json.loads((tmp_path / "index.json").read_bytes())
    assert found["futureWord"] == document["futureWord"]
    assert found["manifests"][0] == document["manifests"][0]
    assert [entry["platform"]["architecture"] for entry in found["manifests"]] == ["amd64", "arm64"]


def test_a_name_moves_and_no_name_is_one_too(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for architecture, tag in [("amd64", "v1"), ("amd64", ""), ("arm64", "v1"), ("arm64", "")]:
        publish(parcel_of(sample(architecture)), layout, tag)
    assert len(index(tmp_path)) == 2
    assert open_layout(tmp_path, "v1").config.architecture == "arm64"
    assert "annotations" not in index(tmp_path)[1]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"manifests":3}', b'{"manifests":[3]}', b"[" * 100_000, b"\xff"])
def test_a_damaged_index_is_not_overwritten(tmp_path: Path, data: bytes) -> None:
    publish(parcel_of(sample()), Layout(tmp_path), "v1")
    (tmp_path / "index.json").write_bytes(data)
    with pytest.raises(DestinationError, match=r"index\.json is damaged"):
        publish(parcel_of(sample()), Layout(tmp_path), "v2")
    assert (tmp_path / "index.json").read_bytes() == data


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("Dear")
    with pytest.raises(DestinationError, match=r"not an image layout and holds 'letters\.txt'"):
        Layout(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_layout_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    with pytest.raises(DestinationError, match=r"1\.0\.0"):
        Layout(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Layout(tmp_path / "file")


@pytest.mark.parametrize("length", [0, 100])
def test_a_truncated_blob_is_written_again(tmp_path: Path, length: int) -> None:
    image = sample()
    publish(parcel_of(image), Layout(tmp_path), "v1")
    for path in (tmp_path / "blobs" / "sha256").iterdir():
        path.write_bytes(path.read_bytes()[:length])
    publish(parcel_of(image), Layout(tmp_path), "v1")
    assert validate(open_layout(tmp_path, "v1")) == []


def test_names_given_at_once_are_all_there(tmp_path: Path) -> None:
    images = {f"v{i}": image_with(layer_of(tar_of({f"{i}": b"x"}))) for i in range(12)}
    start = threading.Barrier(len(images), timeout=60)
    failed: list[BaseException] = []

    def run(tag: str, image: Image) -> None:
        start.wait()
        try:
            publish(parcel_of(image), Layout(tmp_path), tag)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=item) for item in images.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert len(index(tmp_path)) == len(images)
    for tag, image in images.items():
        assert open_layout(tmp_path, tag).manifest_bytes == manifest_of(image)
    assert not (tmp_path / ".lamella").exists()


KILLED = """
import os, sys
from pathlib import Path
from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.oci.image import parcel_of
from tests.made import image_with, layer_of, tar_of

def told(name, done, expected):
    os.write(1, b".")

image = image_with(*(layer_of(tar_of({f"{i}": bytes([i]) * 40_000}), "none") for i in range(5)))
os.write(1, b"+")
publish(parcel_of(image), Layout(Path(sys.argv[1])), "v1", told)
os.write(1, b"!")
"""


@pytest.mark.parametrize("seed", range(12))
def test_killed_at_any_instant_the_next_run_is_right(tmp_path: Path, seed: int) -> None:
    steps = random.Random(seed).choice([1, 2, 3, 50, 120, 205, 215, 220])
    folder = tmp_path / "layout"
    command = [sys.executable, "-c", KILLED, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        for _ in range(steps):
            if child.stdout.read(1) in (b"!", b""):
                break
        child.send_signal(signal.SIGKILL)
    blobs = list((folder / "blobs" / "sha256").glob("*"))
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in blobs)
    if (folder / "index.json").exists():
        assert validate(open_layout(folder, "v1")) == []
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2], timeout=60)
    assert validate(open_layout(folder, "v1")) == []
    assert not (folder / ".lamella").exists()


@pytest.mark.real
def test_a_full_disk_is_one_clear_error_and_leaves_room(small_disk: Path) -> None:
    image = image_with(layer_of(tar_of({"large": os.urandom(5_000_000)}), "none"))
    with pytest.raises(StorageError, match="No space left"):
        publish(parcel_of(image), Layout(small_disk), "v1")
    assert not list(small_disk.rglob("staging/*"))
    publish(parcel_of(sample()), Layout(small_disk), "v1")
    assert validate(open_layout(small_disk, "v1")) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("")
    (tmp_path / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    with pytest.raises(StorageError, match="blobs"):
        publish(parcel_of(sample()), Layout(tmp_path), "v1")
