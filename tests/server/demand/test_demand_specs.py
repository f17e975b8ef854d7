"""Images from specs, in a folder and in a git repository."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.debs import Repository as Archive
from tests.made import sample
from tests.server.demand.images import files_of, opened
from tests.server.demand.repositories import Repository

from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.oci import media
from lamella.oci.image import parcel_of
from lamella.pipeline.lock.decide import make_lock
from lamella.pipeline.lock.file import Lock, lock_path, write_lock
from lamella.server.demand.build import build
from lamella.server.demand.errors import DemandError, UnknownError
from lamella.server.demand.names import Request, parse
from lamella.server.demand.pins import pin_of
from lamella.server.demand.settings import BuildLimits, Source
from lamella.server.demand.workshop import Workshop
from lamella.spec.problems import SpecError
from lamella.spec.reader import read

SPEC = 'name = "{name}"\nfiles = ["data"]\nplatforms = ["linux/amd64"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    write(folder, "app/lamella.toml", SPEC.format(name="app") + 'tag = "v1"\n')
    write(folder, "app/data", "data of app")
    write(folder, "team/tool.toml", SPEC.format(name="tool").replace('amd64"', 'amd64", "linux/arm64"'))
    write(folder, "team/data", "data of tool")
    return folder


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def asked(origin: object, name: str, tag: str = "latest") -> Request:
    return parse(f"images/{name}", tag, [Source(name="images", kind="specs", origin=str(origin))], BuildLimits())


def test_names_lead_to_specs(folder: Path, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(folder, "app", "v1")
    pin = pin_of(request, workshop.place)
    root = build(request, pin, workshop, Layout(tmp_path / "out"))
    assert set(files_of(opened(tmp_path / "out", root))) >= {"/data"}
    assert not pin.moving
    other = asked(folder, "team/tool")
    assert build(other, pin_of(other, workshop.place), workshop, Layout(tmp_path / "out")).media_type == media.INDEX


def test_what_is_written_and_taken_is_the_pin(folder: Path, workshop: Workshop) -> None:
    request = asked(folder, "app")
    pins = [pin_of(request, workshop.place)]
    assert pin_of(request, workshop.place) == pins[0]
    write(folder, "app/data", "other data")
    pins.append(pin_of(request, workshop.place))
    write(folder, "app/lamella.toml", SPEC.format(name="app2"))
    pins.append(pin_of(request, workshop.place))
    write(folder, "app/lamella.lock", '{"version": 1, "platforms": {}}')
    pins.append(pin_of(request, workshop.place))
    assert len({pin.what for pin in pins}) == 4


def test_what_is_not_locked_moves(folder: Path, workshop: Workshop) -> None:
    for line in ('base = "docker://localhost/base:v1"', 'nix = [".#app"]', 'deb = ["bash"]'):
        write(folder, "app/lamella.toml", f"{line}\n{SPEC.format(name='app')}")
        assert pin_of(asked(folder, "app"), workshop.place).moving
    write(folder, "app/lamella.lock", '{"version": 1, "platforms": {}}')
    assert not pin_of(asked(folder, "app"), workshop.place).moving


@pytest.mark.parametrize("base", ["oci:base:v1", "docker-archive:base.tar"])
def test_a_base_in_a_folder_moves_even_with_a_lock(folder: Path, workshop: Workshop, base: str) -> None:
    write(folder, "app/lamella.toml", f'base = "{base}"\n{SPEC.format(name="app")}')
    write(folder, "app/lamella.lock", '{"version": 1, "platforms": {}}')
    assert pin_of(asked(folder, "app"), workshop.place).moving


@pytest.mark.parametrize("name", ["nowhere", "app/lamella.toml", "app/data", "team"])
def test_names_that_lead_nowhere(folder: Path, workshop: Workshop, name: str) -> None:
    with pytest.raises(UnknownError, match=r"^images has no image named "):
        pin_of(asked(folder, name), workshop.place)


def test_tags_that_a_spec_does_not_have(folder: Path, workshop: Workshop) -> None:
    with pytest.raises(UnknownError, match=r"^there is no tag v2: the tags of images/app are latest and v1$"):
        pin_of(asked(folder, "app", "v2"), workshop.place)


def test_a_spec_that_is_wrong(folder: Path, workshop: Workshop) -> None:
    write(folder, "app/lamella.toml", "nmae = 1")
    with pytest.raises(DemandError, match="unknown key") as caught:
        pin_of(asked(folder, "app"), workshop.place)
    assert isinstance(caught.value.__cause__, SpecError)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.commit({"app/lamella.toml": SPEC.format(name="app") + 'created = "git"\n', "app/data": "1"})
    return made


def test_tags_are_of_the_repository(repository: Repository, workshop: Workshop, tmp_path: Path) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("branch", "old")
    second = repository.commit({"app/data": "2"})
    requests = [asked(repository.url, "app", tag) for tag in ("latest", "main", "old", first, second)]
    pins = [pin_of(one, workshop.place) for one in requests]
    assert [pin.what for pin in pins] == [second, second, first, first, second]
    assert [pin.moving for pin in pins] == [True, True, True, False, False]
    roots = [build(one, pin, workshop, Layout(tmp_path / "out")) for one, pin in zip(requests, pins, strict=True)]
    assert roots[0] == roots[1] == roots[4] != roots[2] == roots[3]
    assert opened(tmp_path / "out", roots[2]).config.created == "2026-01-02T03:04:05Z"


def test_a_branch_that_moves_gives_the_new_image(repository: Repository, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(repository.url, "app", "main")
    roots = []
    for text in ("2", "3"):
        repository.commit({"app/data": text})
        roots.append(build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out")))
    assert roots[0] != roots[1]


def test_a_commit_without_a_lock_is_not_enough(repository: Repository, workshop: Workshop, tmp_path: Path) -> None:
    commit = repository.commit({"app/lamella.toml": f'deb = ["bash"]\n{SPEC.format(name="app")}'})
    request = asked(repository.url, "app", commit)
    with pytest.raises(DemandError, match=f"has no lock at {commit[:12]}"):
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))


def test_locked_packages_of_a_commit(repository: Repository, workshop: Workshop, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    archive.add("bash", files={"./usr/bin/bash": b"bash"})
    spec = f'deb = ["bash"]\n{SPEC.format(name="app")}[debian]\narchives = ["{archive.line}"]\n'
    repository.commit({"app/lamella.toml": spec})
    written = read(repository.folder / "app")
    write_lock(lock_path(written), make_lock(written, Lock(), lambda _: True, workshop.place))
    request = asked(repository.url, "app", repository.commit({}))
    root = build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))
    assert "/usr/bin/bash" in files_of(opened(tmp_path / "out", root))
    archive.add("bash", "2.0")
    assert build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out")) == root


def test_a_commit_may_hold_the_base(repository: Repository, workshop: Workshop, tmp_path: Path) -> None:
    base = sample()
    publish(parcel_of(base), Layout(repository.folder / "app/base"), "v1")
    repository.commit({"app/lamella.toml": f'base = "oci:base:v1"\n{SPEC.format(name="app")}'})
    written = read(repository.folder / "app")
    write_lock(lock_path(written), make_lock(written, Lock(), lambda _: True, workshop.place))
    request = asked(repository.url, "app", repository.commit({}))
    pin = pin_of(request, workshop.place)
    image = opened(tmp_path / "out", build(request, pin, workshop, Layout(tmp_path / "out")))
    assert not pin.moving
    assert image.layers[0].record.diff_id == base.layers[0].record.diff_id


@pytest.mark.parametrize("line", ['base = "oci:{}/base:v1"', 'base = "dir:../../base"', 'files = ["{}/a/"]'])
def test_a_commit_holds_all_that_its_spec_takes(
    repository: Repository, workshop: Workshop, tmp_path: Path, line: str
) -> None:
    """Otherwise the image would be remembered under the commit, whatever becomes of the rest."""
    spec = f'name = "app"\n{line.format(tmp_path)}\n'
    request = asked(repository.url, "app", repository.commit({"app/lamella.toml": spec}))
    with pytest.raises(DemandError, match=r"^images/app takes .*, which is not in its repository; commit it there$"):
        build(request, pin_of(request, workshop.place), workshop, Layout(tmp_path / "out"))


def test_names_in_a_repository_that_lead_nowhere(repository: Repository, workshop: Workshop, tmp_path: Path) -> None:
    request = asked(repository.url, "nowhere")
    pin = pin_of(request, workshop.place)
    with pytest.raises(UnknownError, match="has no image named nowhere"):
        build(request, pin, workshop, Layout(tmp_path / "out"))
    with pytest.raises(UnknownError, match="no branch or tag"):
        pin_of(replace(request, tag="v9"), workshop.place)
