"""Images of Debian packages by name, from a test archive."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.debs import Repository
from tests.server.demand.conftest import open_workshop
from tests.server.demand.images import files_of, opened

from lamella.destinations.layout import Layout
from lamella.oci import media
from lamella.server.demand.build import build
from lamella.server.demand.errors import DemandError, MovedError, TooMuchError, UnknownError
from lamella.server.demand.names import Request, parse
from lamella.server.demand.pins import pin_of
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.demand.workshop import Workshop
from lamella.spec.debian import Debian

AMD64, ARM64 = "linux/amd64", "linux/arm64"


@pytest.fixture
def archive(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "archive")
    for name in ("base-files", "ca-certificates", "netbase", "coreutils", "nano"):
        made.add(name)
    made.add("bash", files={"./bin/": None, "./bin/bash": b"bash"})
    made.add("curl", files={"./usr/bin/curl": b"curl"}, fields={"Depends": "libcurl"})
    made.add("libcurl", files={"./usr/lib/libcurl.so": b"libcurl"})
    made.write(("amd64", "arm64"))
    return made


def asked(archive: Repository, name: str, **more: object) -> Request:
    source = Source(name="deb", kind="deb", debian=Debian(archives=[archive.line]), platforms=[AMD64])
    return parse(name, "latest", [source], BuildLimits(**more))  # type: ignore[arg-type]


def test_what_a_name_gives(archive: Repository, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(archive, "deb/shell/curl")
    pin = pin_of(request, workshop.place)
    said: list[str] = []
    root = build(request, pin, replace(workshop, log=said.append), Layout(tmp_path / "out"))
    image = opened(tmp_path / "out", root)
    found = files_of(image)
    named = {f"/usr/share/{name}" for name in ("base-files", "ca-certificates", "netbase", "coreutils", "nano")}
    assert named | {"/usr/bin/bash", "/usr/bin/curl", "/usr/lib/libcurl.so"} <= set(found)
    assert image.config.config.cmd == ["bash"]
    assert image.config.config.env[0].startswith("PATH=")
    assert 1 < len(image.layers) <= request.layers
    assert any("layers" in line for line in said)
    assert not pin.moving


def test_the_order_of_names_says_nothing_and_nothing_is_made_twice(
    archive: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    requests = [asked(archive, name) for name in ("deb/bash/curl", "deb/curl/bash", "bash/curl/bash")]
    pin = pin_of(requests[0], workshop.place)
    assert len({one.key(pin) for one in requests}) == 1
    first = build(requests[0], pin, workshop, Layout(tmp_path / "out"))
    shutil.rmtree(tmp_path / "cache" / "files")
    shutil.rmtree(archive.folder / "pool")
    assert [build(one, pin, workshop, Layout(tmp_path / "out")).digest for one in requests] == [first.digest] * 3


def test_another_machine_makes_the_same(archive: Repository, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(archive, "bash/curl")
    pin = pin_of(request, workshop.place)
    with open_workshop(tmp_path / "elsewhere") as other:
        assert pin_of(request, other.place) == pin
        there = build(request, pin, other, Layout(tmp_path / "there"))
    assert build(request, pin, workshop, Layout(tmp_path / "out")) == there


def test_several_platforms_become_an_index(archive: Repository, workshop: Workshop, tmp_path: Path) -> None:
    archive.write(("amd64", "arm64"))
    source = Source(name="deb", kind="deb", debian=Debian(archives=[archive.line]))
    request = parse("deb/bash", "latest", [source], BuildLimits())
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert root.media_type == media.INDEX
    images = [opened(tmp_path / "out", root, one) for one in (AMD64, ARM64)]
    assert [image.config.architecture for image in images] == ["amd64", "arm64"]
    alone = parse("deb/arm64/bash", "latest", [source], BuildLimits())
    single = build(alone, pin_of(alone, workshop.place), workshop, Layout(tmp_path / "out"))
    assert single.media_type == media.MANIFEST
    assert opened(tmp_path / "out", single).config.architecture == "arm64"


def test_an_archive_that_changes_is_another_pin(archive: Repository, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(archive, "bash")
    before = pin_of(request, workshop.place)
    assert pin_of(request, workshop.place) == before
    archive.add("bash", "2.0")
    after = pin_of(request, workshop.place)
    assert request.key(after) != request.key(before)
    with pytest.raises(MovedError) as caught:
        build(request, before, workshop, Layout(tmp_path / "out"))
    assert caught.value.code == "UNAVAILABLE"


@pytest.mark.parametrize("name", ["nowhere", "bash/nowhere", "a", "with_underscore"])
def test_packages_that_are_not_there(archive: Repository, workshop: Workshop, tmp_path: Path, name: str) -> None:
    request = asked(archive, name)
    with pytest.raises(UnknownError, match=name.rpartition("/")[2]) as caught:
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert caught.value.code == "MANIFEST_UNKNOWN"


def test_there_are_no_tags(archive: Repository, workshop: Workshop) -> None:
    with pytest.raises(UnknownError, match="only the tag latest"):
        pin_of(replace(asked(archive, "bash"), tag="v1"), workshop.place)


def test_large_images_are_refused_before_anything_is_fetched(
    archive: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    request = asked(archive, "bash")
    small = replace(workshop, limits=BuildLimits(bytes=1000))
    with pytest.raises(TooMuchError, match="the limit is 1000"):
        build(request, pin_of(request, workshop.place), small, Layout(tmp_path / "out"))
    assert not (tmp_path / "cache" / "files").exists()


def test_layers_stay_within_what_is_allowed(archive: Repository, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(archive, "shell/curl", layers=3)
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert len(opened(tmp_path / "out", root).layers) == 3


def test_an_archive_that_cannot_be_asked(archive: Repository, workshop: Workshop) -> None:
    request = asked(archive, "bash")
    shutil.rmtree(archive.folder)
    with pytest.raises(DemandError) as caught:
        pin_of(request, workshop.place)
    assert caught.value.code == "UNKNOWN"


def test_many_may_build_one_image_at_once(archive: Repository, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(archive, "shell/curl")
    pin = pin_of(request, workshop.place)
    with ThreadPoolExecutor(4) as pool:
        roots = list(pool.map(lambda _: build(request, pin, workshop, Layout(tmp_path / "out")), range(4)))
    assert len({root.digest for root in roots}) == 1
    opened(tmp_path / "out", roots[0])


def test_a_disk_that_is_full_is_told_of(
    archive: Repository, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("large", files={"./large": os.urandom(6 << 20)})
    request = asked(archive, "large")
    with open_workshop(small_disk / "cache") as cramped:
        with pytest.raises(DemandError, match="No space left"):
            build(request, pin_of(request, cramped.place), cramped, Layout(tmp_path / "out"))
        monkeypatch.setattr("tempfile.tempdir", str(small_disk / "nowhere"))
        with pytest.raises(DemandError, match="see its log") as caught:
            build(request, pin_of(request, cramped.place), cramped, Layout(tmp_path / "out"))
        assert "nowhere" in caught.value.fault
        assert str(small_disk) not in str(caught.value)
