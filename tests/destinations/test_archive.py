"""Archives are written in one go: the same bytes for the same image, and a whole file or none."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from tests.made import Held, blob_bytes, collected, held, image_with, layer_of, sample, tar_of

from lamella.destinations import archive
from lamella.destinations.archive import write_docker_archive, write_oci_archive
from lamella.destinations.destination import DestinationError
from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.images.docker_archive import open_docker_archive
from lamella.images.layout import open_layout, open_oci_archive
from lamella.oci.digest import DigestError
from lamella.oci.image import Image, manifest_of, parcel_of
from lamella.oci.validate import validate
from lamella.staging import StorageError, staged_beside

Write = Callable[[Image, str, IO[bytes]], None]


def write_oci(image: Image, tag: str, out: IO[bytes]) -> None:
    write_oci_archive(parcel_of(image), tag, out)


FORMS: list[Write] = [write_oci, write_docker_archive]
every_form = pytest.mark.parametrize("write", FORMS)


def written(write: Write, image: Image, name: str = "app:1.0") -> bytes:
    out = io.BytesIO()
    write(image, name, out)
    return out.getvalue()


@every_form
def test_the_same_image_gives_the_same_bytes_sorted_and_dated_1970(write: Write) -> None:
    data = written(write, sample())
    assert data == written(write, sample())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names == sorted(set(names))
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}


def test_an_oci_archive_is_read_back_byte_for_byte(tmp_path: Path) -> None:
    image = sample()
    path = tmp_path / "a.tar"
    path.write_bytes(written(write_oci, image, "v1"))
    found = open_oci_archive(path, "v1")
    assert found.manifest_bytes == manifest_of(image)
    assert found.config_bytes == image.config_bytes
    assert [blob_bytes(layer) for layer in found.layers] == [held(layer).blob_bytes for layer in image.layers]
    assert validate(found) == []
    assert written(write_oci, found, "v1") == path.read_bytes()


def test_an_oci_archive_holds_what_a_layout_does(tmp_path: Path) -> None:
    image = sample()
    publish(parcel_of(image), Layout(tmp_path / "layout"), "v1")
    with tarfile.open(fileobj=io.BytesIO(written(write_oci, image, "v1"))) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    files = {
        root: {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "layout", tmp_path / "unpacked")
    }
    assert files[tmp_path / "layout"] == files[tmp_path / "unpacked"]


def test_a_docker_archive_holds_plain_tars_each_once(tmp_path: Path) -> None:
    image = sample()
    path = tmp_path / "a.tar"
    path.write_bytes(written(write_docker_archive, image))
    found = open_docker_archive(path, "app:1.0")
    assert found.config_bytes == image.config_bytes
    assert [blob_bytes(layer) for layer in found.layers] == [held(layer).tar_bytes for layer in image.layers]
    assert [collected(layer.content.tar) for layer in found.layers] == [held(layer).tar_bytes for layer in image.layers]
    assert validate(found) == []
    with tarfile.open(path) as tar:
        assert len(tar.getnames()) == 3 + 2
    assert written(write_docker_archive, found) == path.read_bytes()


@pytest.mark.parametrize(("name", "tags"), [("app:1.0", ["app:1.0"]), ("", None)])
def test_a_docker_archive_says_its_name(name: str, tags: list[str] | None) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(write_docker_archive, sample(), name))) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        assert json.load(member)[0]["RepoTags"] == tags


def test_sizes_that_nobody_told_are_counted(tmp_path: Path) -> None:
    publish(parcel_of(sample()), Layout(tmp_path), "v1")
    read = open_layout(tmp_path, "v1")
    assert [layer.record.tar_size == 0 for layer in read.layers] == [True, True, False, True]
    assert written(write_docker_archive, read) == written(write_docker_archive, sample())


def test_an_image_without_layers(tmp_path: Path) -> None:
    for write, reader in ((write_oci, open_oci_archive), (write_docker_archive, open_docker_archive)):
        (tmp_path / "a").write_bytes(written(write, image_with()))
        assert reader(tmp_path / "a").config_bytes == image_with().config_bytes


def test_progress_is_told_to_the_end() -> None:
    told: dict[str, tuple[int, int]] = {}
    image = sample()
    write_oci_archive(parcel_of(image), "v1", io.BytesIO(), lambda name, done, of: told.update({name: (done, of)}))
    assert told == {layer.name: (layer.record.size, layer.record.size) for layer in image.layers}


@pytest.mark.parametrize("size", [0, 8**11 - 1, 8**11, 9 << 30])
def test_files_of_every_size_have_a_header(size: int) -> None:
    header = archive._header("blobs/sha256/" + "0" * 64, size)
    assert len(header) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(header)) as tar:
        member = tar.next()
    assert member is not None
    assert (member.name, member.size) == ("blobs/sha256/" + "0" * 64, size)


@every_form
@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_a_layer_of_another_size_than_told_is_refused(write: Write, change: int) -> None:
    layer = layer_of(tar_of({"a": b"a" * 5000}), "none")
    data = held(layer).tar_bytes
    other = data[:change] if change < 0 else data + bytes(change)
    with pytest.raises(DestinationError, match="bytes announced"):
        written(write, image_with(replace(layer, content=Held(other, other))))


@every_form
def test_a_file_is_there_whole_or_not_at_all(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(b"the one before")
    layer = layer_of(tar_of({"a": b"a" * 5000}), "none")
    broken = image_with(replace(layer, content=Held(b"", b"")))
    with contextlib.suppress(DestinationError), staged_beside(path) as file:
        write(broken, "app:1", file)
    assert path.read_bytes() == b"the one before"
    with staged_beside(path) as file:
        write(sample(), "app:1", file)
    assert path.read_bytes() == written(write, sample(), "app:1")
    assert [found.name for found in tmp_path.iterdir()] == ["image.tar"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    script = "import sys, time\nfrom pathlib import Path\nfrom lamella.staging import staged_beside\n"
    script += "with staged_beside(Path(sys.argv[1])): print(flush=True), time.sleep(600)"

    def writer() -> subprocess.Popen[bytes]:
        started = subprocess.Popen([sys.executable, "-c", script, tmp_path / "image.tar"], stdout=subprocess.PIPE)
        assert started.stdout
        started.stdout.readline()
        return started

    with writer() as killed:
        killed.kill()
    left = {path.name for path in tmp_path.iterdir()}
    ours = [".image.tar.notes", ".other.tar.abc.lamella"]
    for name in ours:
        (tmp_path / name).write_bytes(b"keep")
    with writer() as alive:
        with staged_beside(tmp_path / "image.tar") as file:
            file.write(b"new")
        here = {path.name for path in tmp_path.iterdir()}
        assert len(left) == 1
        assert not left & here
        assert here >= {*ours, "image.tar"}
        assert len(here) == 4  # the one that is still written
        alive.kill()


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    with staged_beside(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_devices_are_written_to_and_stay() -> None:
    with staged_beside(Path("/dev/null")) as file:
        write_oci_archive(parcel_of(sample()), "v1", file)
    assert Path("/dev/null").is_char_device()
    with pytest.raises(DestinationError, match="No space left"), staged_beside(Path("/dev/full")) as file:
        write_oci_archive(parcel_of(sample()), "v1", file)


def test_a_folder_or_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="it is a folder"), staged_beside(tmp_path):
        pass
    with pytest.raises(StorageError, match="missing"), staged_beside(tmp_path / "missing" / "image.tar"):
        pass


@every_form
def test_a_reader_that_goes_away_is_one_clear_error(write: Write) -> None:
    receiving, sending = os.pipe()
    os.close(receiving)
    with os.fdopen(sending, "wb", buffering=0) as out, pytest.raises(DestinationError, match="stopped before its end"):
        write(sample(), "app:1", out)


def test_damage_in_a_stored_layer_ends_the_archive(tmp_path: Path) -> None:
    image = sample()
    publish(parcel_of(image), Layout(tmp_path), "v1")
    digest = image.layers[0].record.digest.partition(":")[2]
    blob = tmp_path / "blobs" / "sha256" / digest
    blob.write_bytes(blob.read_bytes()[:-1] + b"\xff")
    with pytest.raises(DigestError, match=digest):
        written(write_oci, open_layout(tmp_path, "v1"), "v1")
