"""Unpacked layers are counted, and removed when they have not been used for long."""

import os
import time
from pathlib import Path

from tests.made import image_with, layer_of, tar_of

from lamella.cache.roots import prune, unpack, unpacked
from lamella.oci.image import Layer, silent

HOUR = 3600


def layer(name: str, size: int) -> Layer:
    return layer_of(tar_of({f"{name}/file": bytes(size), f"{name}/other": b"1"}), name=name)


def test_layers_are_items_until_they_have_not_been_used_for_long(tmp_path: Path) -> None:
    old, new = unpack(image_with(layer("old", 1000), layer("new", 500)), tmp_path, silent)
    then = time.time() - HOUR
    os.utime(old.with_suffix(".used"), (then, then))
    found = {item.name: item.size for item in unpacked(tmp_path)}
    assert found == {f"roots/{old.name}": 1001, f"roots/{new.name}": 501}
    assert [item.size for item in prune(tmp_path, HOUR - 60)] == [1001]
    assert {path.name for path in old.parent.iterdir()} == {new.name, f"{new.name}.used"}
    unpack(image_with(layer("old", 1000)), tmp_path, silent)
    assert {item.size for item in unpacked(tmp_path)} == {1001, 501}


def test_layers_go_whatever_their_folders_allow(tmp_path: Path) -> None:
    (folder,) = unpack(image_with(layer("one", 10)), tmp_path, silent)
    (folder / "one" / "link").symlink_to(tmp_path)
    (folder / "one").chmod(0o500)
    folder.chmod(0o500)
    mode = tmp_path.stat().st_mode
    assert len(prune(tmp_path, 0)) == 1
    assert tmp_path.stat().st_mode == mode
    assert not list((tmp_path / "roots").iterdir())


def test_what_killed_processes_left_goes_when_it_is_old(tmp_path: Path) -> None:
    left = tmp_path / "roots" / ".left"
    (left / "root").mkdir(parents=True)
    (left / "root" / "file").write_bytes(b"12345")
    assert not prune(tmp_path, 0)
    then = time.time() - 25 * HOUR
    os.utime(left, (then, then))
    assert [(item.name, item.size) for item in prune(tmp_path, 0)] == [("roots/.left", 5)]
    assert not list(unpacked(tmp_path))


def test_another_process_unpacks_the_same_layer(tmp_path: Path) -> None:
    made = image_with(layer("one", 10))
    first: list[Path] = []

    def other(_name: str, done: int, expected: int) -> None:
        if done == expected and not first:
            first.extend(unpack(made, tmp_path, silent))

    assert unpack(made, tmp_path, other) == first
    assert {path.name for path in first[0].parent.iterdir()} == {first[0].name, f"{first[0].name}.used"}


def test_no_cache_holds_no_layers(tmp_path: Path) -> None:
    assert not list(unpacked(tmp_path / "missing"))
    assert not prune(tmp_path / "missing", 0)
