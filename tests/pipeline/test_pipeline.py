"""From a spec to an image: what is made, what is reused, and what survives damage."""

import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.made import collected

from lamella import Image, Layer, files, pipeline
from lamella.destinations.layout import Layout
from lamella.images.document import encode_document
from lamella.images.layout import open_layout
from lamella.images.stored import ImageError
from lamella.oci.platforms import spelled
from lamella.oci.validate import validate
from lamella.pipeline.draft import Built, Target
from lamella.pipeline.find import draft_of, read_document
from lamella.pipeline.workplace import Workplace, workplace
from lamella.sources.tree import SourceError
from lamella.spec.model import Spec


def image() -> Image:
    return Image("hello", layers=[Layer("one", [files("one")]), Layer("two", [files("two")])], take=[files("three")])


def build(folder: Path, place: Workplace, what: Image | None = None) -> Built:
    return pipeline.build(pipeline.plan(Spec(what or image(), folder), place), place)


def made(built: Built) -> list[str]:
    return [own.plan.name for own in built.layers if own.made]


def test_first_all_is_made_then_nothing_then_what_changed(folder: Path, place: Workplace) -> None:
    first = build(folder, place)
    assert made(first) == ["one", "two", "app"]
    assert made(build(folder, place)) == []
    (folder / "two" / "file").write_text("changed")
    second = build(folder, place)
    assert made(second) == ["two"]
    assert [a.layer.record == b.layer.record for a, b in zip(first.layers, second.layers, strict=True)] == [
        True,
        False,
        True,
    ]


def test_another_machine_gives_the_same_image(folder: Path, place: Workplace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    os.utime(elsewhere / "one" / "file", (1, 1))
    other = build(elsewhere, workplace(tmp_path / "other"))
    elsewhere.rename(folder)
    one = build(folder, replace(place, threads=1))
    assert one.image.config_bytes == other.image.config_bytes
    assert [a.layer.record for a in one.layers] == [b.layer.record for b in other.layers]


def test_equal_folders_in_two_layers_lie_in_the_image_once(folder: Path, place: Workplace) -> None:
    twice = Image("hello", layers=[Layer("a", [files("one")]), Layer("b", [files("one"), files("two")])])
    draft = pipeline.plan(Spec(twice, folder), place)
    assert [[p.name for p in planned.plan.packages] for planned in draft.layers] == [["one -> /one"], ["two -> /two"]]
    assert draft.saved == 300


def test_a_layer_without_rules_brings_what_one_below_left_out(folder: Path, place: Workplace) -> None:
    twice = Image("hello", layers=[Layer("a", [files("one")], ignore="file$"), Layer("b", [files("one")])])
    held = [collected(own.layer.content.tar) for own in build(folder, place, twice).layers]
    assert [b"/one/file" in tar for tar in held] == [False, True]


@pytest.mark.parametrize(
    ("platforms", "chosen"),
    [(["linux/amd64", "linux/arm64/v8"], "linux/arm64/v8"), (["linux/amd64", "linux/arm/v6"], "linux/amd64")],
)
def test_this_machines_platform_is_built_however_it_is_spelled(
    monkeypatch: pytest.MonkeyPatch, folder: Path, platforms: list[str], chosen: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    spec = Spec(msgspec.structs.replace(image(), platforms=platforms), folder)
    assert spelled(pipeline.platform_of(spec)) == chosen


def test_what_is_made_goes_to_a_layout_and_is_valid_there(folder: Path, place: Workplace, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    built = pipeline.build(pipeline.plan(Spec(image(), folder), place), place, [Target(layout)])
    found = open_layout(tmp_path / "layout")
    assert validate(found) == []
    assert found.config_bytes == built.image.config_bytes


def test_the_document_gives_the_same_image_again(folder: Path, place: Workplace, tmp_path: Path) -> None:
    built = build(folder, place)
    file = tmp_path / "image.json"
    file.write_bytes(encode_document(pipeline.remember(built, place)))
    for cache in (place, workplace(tmp_path / "empty")):
        again = pipeline.build(draft_of(read_document(file), file, cache), cache)
        assert again.image.config_bytes == built.image.config_bytes
        assert made(again) == []
        assert validate(again.image) == []
    plain = json.loads(file.read_bytes())
    assert [layer["diff_ids"] for layer in plain["layers"]] == built.image.config.rootfs.diff_ids


@pytest.mark.parametrize("kind", ["builds", "looks", "trees"])
def test_a_damaged_cache_is_mended(folder: Path, tmp_path: Path, kind: str) -> None:
    first = build(folder, workplace(tmp_path / "cache"))
    for file in (tmp_path / "cache" / kind).iterdir():
        file.write_bytes(file.read_bytes()[:-7])
    (folder / "one" / "file").touch()
    mended: list[str] = []
    second = build(folder, workplace(tmp_path / "cache", mended.append))
    assert second.image.config_bytes == first.image.config_bytes
    assert any(name.startswith(kind) for name in mended)


def test_a_folder_that_changes_while_it_is_built_leaves_no_record(folder: Path, place: Workplace) -> None:
    draft = pipeline.plan(Spec(image(), folder), place)
    (folder / "two" / "file").write_text("two" * 99 + "TWO")
    with pytest.raises(SourceError, match="changed while"):
        pipeline.build(draft, place)
    key = draft.layers[1].key
    assert place.records.find(key) is None


def test_a_layer_that_is_not_reproducible_is_kept(folder: Path, place: Workplace, tmp_path: Path) -> None:
    kept = Image("hello", layers=[Layer("one", [files("one")], reproducible=False)])
    built = build(folder, place, kept)
    record = built.layers[0].layer.record
    assert place.blobs.path(record.diff_id).stat().st_size == record.tar_size
    (folder / "one" / "file").write_text("made twice, it differs")
    assert validate(built.image) == []
    pipeline.build(
        draft_of(pipeline.remember(built, place), tmp_path / "image.json", place),
        place,
        [Target(Layout(tmp_path / "l"))],
    )
    assert validate(open_layout(tmp_path / "l")) == []


def test_the_root_of_an_image_is_everyones_whatever_folder_lies_there(folder: Path, place: Workplace) -> None:
    (folder / "one").chmod(0o700)
    built = build(folder, place, Image("hello", take=[files("one/", to="/"), files("two/", to="/x")]))
    with tarfile.open(fileobj=io.BytesIO(collected(built.layers[0].layer.content.tar))) as tar:
        assert [(member.name, oct(member.mode)) for member in tar][:2] == [("", "0o755"), ("/file", "0o644")]


def test_a_base_is_taken_for_the_platform_that_is_wanted_or_refused(
    folder: Path, place: Workplace, tmp_path: Path
) -> None:
    base = Image("base", platforms=["linux/arm64"], take=[files("one")])
    pipeline.build(pipeline.plan(Spec(base, folder), place), place, [Target(Layout(tmp_path / "layout"))])
    top = Image("top", base=f"oci:{tmp_path}/layout", platforms=["linux/arm64"], take=[files("two")])
    assert len(build(folder, place, top).image.layers) == 2
    for wrong in ("linux/amd64", "linux/arm64/v9"):
        with pytest.raises(ImageError, match="arm64"):
            build(folder, place, msgspec.structs.replace(top, platforms=[wrong]))
