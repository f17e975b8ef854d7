"""Images of Python packages by name, from a test index and archive."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.debs import Repository
from tests.index import Index, serving
from tests.made import sample
from tests.sdists import make_sdist
from tests.server.demand.images import files_of, opened
from tests.wheels import make_wheel

from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.oci.image import parcel_of
from lamella.server.demand.build import build
from lamella.server.demand.errors import DemandError, UnknownError
from lamella.server.demand.names import Request, parse
from lamella.server.demand.pins import pin_of
from lamella.server.demand.settings import BuildLimits, ServedPython, Source
from lamella.server.demand.workshop import Workshop
from lamella.spec.debian import Debian

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "numpie", requires=["lower"])
    make_wheel(folder, "lower")
    make_wheel(folder, "other")
    make_wheel(folder, "torn", requires=["lower>1"])
    with serving(Index(folder)) as found:
        monkeypatch.setenv("UV_DEFAULT_INDEX", found.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        yield found


@pytest.fixture
def archive(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "archive")
    for name in ("base-files", "ca-certificates", "netbase", "libstdc++6", "bash", "coreutils", "nano"):
        made.add(name)
    made.add("python-is-python3", fields={"Depends": "python3"}, files={"./usr/bin/python": "python3"})
    made.add("python3", "3.12.4-1", files={"./usr/bin/python3": b"python"})
    return made


@pytest.fixture
def source(archive: Repository) -> Source:
    debian = Debian(archives=[archive.line])
    return Source(
        name="py3.12", kind="pypi", python=ServedPython(version="3.12"), debian=debian, platforms=["linux/amd64"]
    )


def asked(source: Source, name: str, tag: str = "latest") -> Request:
    return parse(name, tag, [source], BuildLimits())


def test_what_a_name_gives(source: Source, index: Index, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(source, "py3.12/shell/numpie/other")
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    image = opened(tmp_path / "out", root)
    found = files_of(image)
    packages = "/usr/local/lib/python3.12/dist-packages"
    assert {f"{packages}/{name}/__init__.py" for name in ("numpie", "lower", "other")} <= set(found)
    assert {"/usr/bin/python", "/usr/share/bash", "/usr/share/netbase"} <= set(found)
    assert image.config.config.cmd == ["bash"]


def test_the_order_of_names_says_nothing_and_nothing_is_fetched_twice(
    source: Source, index: Index, workshop: Workshop, tmp_path: Path
) -> None:
    requests = [asked(source, name) for name in ("numpie/other", "other/numpie", "py3.12/other/numpie")]
    pin = pin_of(requests[0], workshop.place)
    first = build(requests[0], pin, workshop, Layout(tmp_path / "out"))
    shutil.rmtree(workshop.folder / "files")
    assert [build(one, pin, workshop, Layout(tmp_path / "out")) for one in requests] == [first] * 3
    assert len({one.key(pin) for one in requests}) == 1
    assert not (workshop.folder / "files").exists()


def test_a_base_may_give_python(source: Source, index: Index, workshop: Workshop, tmp_path: Path) -> None:
    base = sample()
    publish(parcel_of(base), Layout(tmp_path / "base"), "v1")
    named = Source(name="py", kind="pypi", python=ServedPython(version="3.12"), base=f"oci:{tmp_path}/base:v1")
    request = asked(named, "amd64/numpie")
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    image = opened(tmp_path / "out", root)
    assert [layer.record.diff_id for layer in image.layers][: len(base.layers)] == [
        layer.record.diff_id for layer in base.layers
    ]
    assert "/usr/local/lib/python3.12/site-packages/numpie/__init__.py" in files_of(image)
    assert "/usr/bin/python" not in files_of(image)
    assert image.config.config.env == base.config.config.env


def test_archives_with_another_python_are_refused(
    source: Source, archive: Repository, index: Index, workshop: Workshop, tmp_path: Path
) -> None:
    archive.add("python3", "3.13.1-2", files={"./usr/bin/python3": b"python"})
    request = asked(source, "numpie")
    with pytest.raises(DemandError, match=r"have Python 3.13.1-2 for linux/amd64, not 3.12"):
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))


@pytest.mark.parametrize("name", ["nowhere", "torn"])
def test_packages_that_cannot_be_had(
    source: Source, index: Index, workshop: Workshop, tmp_path: Path, name: str
) -> None:
    request = asked(source, name)
    with pytest.raises(UnknownError, match="finds no compatible packages"):
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))


def test_nothing_of_a_package_is_run(source: Source, index: Index, workshop: Workshop, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    make_sdist(index.folder, "onlysource", "1.0", ran)
    request = asked(source, "onlysource")
    with pytest.raises(UnknownError, match=r"only wheels are allowed, .*onlysource.* set build = true in \[python\]"):
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert not ran.exists()


def test_versions_are_chosen_that_have_wheels(source: Source, index: Index, workshop: Workshop, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    make_sdist(index.folder, "lower", "9.0", ran)
    request = asked(source, "numpie")
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert "/usr/local/lib/python3.12/dist-packages/lower/__init__.py" in files_of(opened(tmp_path / "out", root))
    assert not ran.exists()


def test_settings_may_have_source_built(source: Source, index: Index, workshop: Workshop, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    make_sdist(index.folder, "onlysource", "1.0", ran)
    python = ServedPython(version="3.12", build=True)
    building = Source(name="py", kind="pypi", python=python, debian=source.debian, platforms=["linux/amd64"])
    request = asked(building, "onlysource")
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert "/usr/local/lib/python3.12/dist-packages/onlysource.py" in files_of(opened(tmp_path / "out", root))
    assert ran.exists()


def test_an_index_that_is_away_is_not_one_without_packages(
    source: Source, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    request = asked(source, "numpie")
    with pytest.raises(DemandError) as caught:
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert caught.value.code == "UNAVAILABLE"


def test_a_day_that_is_over_is_a_pin(source: Source, workshop: Workshop) -> None:
    pins = {
        tag: pin_of(asked(source, "numpie", tag), workshop.place, NOW) for tag in ("latest", "2026-02-28", "2026-03-02")
    }
    assert [pin.moving for pin in pins.values()] == [True, False, True]
    assert len({pin.what for pin in pins.values()}) == 3


def test_a_base_is_pinned_by_its_digest_alone(source: Source, workshop: Workshop) -> None:
    for base, moving in (
        ("docker://localhost/python:3", True),
        (f"docker://localhost/python@sha256:{'0' * 64}", False),
    ):
        named = Source(name="py", kind="pypi", python=ServedPython(version="3.12"), base=base)
        assert pin_of(asked(named, "x", "2026-02-28"), workshop.place, NOW).moving == moving


def test_no_day_is_later_than_the_settings_allow(source: Source, workshop: Workshop) -> None:
    python = ServedPython(version="3.12", exclude_newer="2026-01-31")
    held = Source(name="py3.12", kind="pypi", python=python, debian=source.debian)
    pins = [pin_of(asked(held, "x", tag), workshop.place, NOW) for tag in ("latest", "2026-02-28", "2026-01-30")]
    assert pins[0] == pins[1] != pins[2]
    assert not pins[0].moving


@pytest.mark.parametrize("tag", ["v1", "2026-02-30", "2026-2-3", "20260203"])
def test_what_is_no_day(source: Source, workshop: Workshop, tag: str) -> None:
    with pytest.raises(UnknownError, match="days such as 2026-01-31"):
        pin_of(asked(source, "numpie", tag), workshop.place, NOW)


def test_packages_of_a_day_are_those_that_were_there(
    source: Source, index: Index, workshop: Workshop, tmp_path: Path
) -> None:
    """The index does not say when it got its packages, so none is known to have existed on that day."""
    request = asked(source, "numpie", "2026-02-28")
    with pytest.raises(UnknownError, match="numpie"):
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))


def test_other_constraints_are_another_image(source: Source, workshop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "constraints.txt"
    python = ServedPython(version="3.12", constraints=[str(file)])
    request = asked(msgspec.structs.replace(source, python=python), "numpie", "2026-01-31")
    keys = set()
    for text in ("numpie<2", "numpie>=2"):
        file.write_text(text)
        pin = pin_of(request, workshop.place, NOW)
        assert not pin.moving
        assert pin_of(request, workshop.place, NOW) == pin
        keys.add(request.key(pin))
    assert len(keys) == 2
    file.unlink()
    with pytest.raises(DemandError) as caught:
        pin_of(request, workshop.place, NOW)
    assert re.fullmatch(r"cannot use .*constraints.txt: No such file or directory", caught.value.fault)
    assert "constraints" not in str(caught.value)
