"""`lamella index`: several platforms under one name, and the names of a release."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.command import LAMELLA, good, run
from tests.registry.fake import Fake, serving

from lamella.cli.common import reaching_out
from lamella.cli.images import Wanted, reference_at
from lamella.cli.pushing import Aim, drafted, platforms_of
from lamella.images.index import release_tags
from lamella.pipeline.workplace import workplace

HELLO = Path(__file__).parents[2] / "examples" / "hello"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """The example, for two platforms."""
    shutil.copytree(HELLO, tmp_path / "hello")
    spec = (tmp_path / "hello" / "lamella.toml").read_text()
    both = spec.replace('["linux/amd64"]', '["linux/amd64", "linux/arm64"]')
    assert both != spec
    (tmp_path / "hello" / "lamella.toml").write_text(both)
    (tmp_path / "hello" / "arm.toml").write_text(spec.replace("linux/amd64", "linux/arm64"))
    (tmp_path / "hello" / "riscv.toml").write_text(spec.replace("linux/amd64", "linux/riscv64"))
    return tmp_path / "hello"


def platforms(fake: Fake, tag: str) -> list[str]:
    _, data = fake.manifests["team/hello"][tag]
    told = [entry["platform"] for entry in json.loads(data)["manifests"]]
    assert all(entry["digest"] in fake.manifests["team/hello"] for entry in json.loads(data)["manifests"])
    return [f"{one['os']}/{one['architecture']}" for one in told]


def test_a_spec_of_two_platforms_is_one_name_with_two_images(hello: Path, fake: Fake) -> None:
    to = f"{fake.name}/team/hello:v1"
    told = json.loads(good(hello, "index", to, ".", "--json", "--annotation", "a=b"))
    assert list(told["platforms"]) == ["linux/amd64", "linux/arm64"]
    assert platforms(fake, "v1") == ["linux/amd64", "linux/arm64"]
    assert json.loads(fake.manifests["team/hello"]["v1"][1])["annotations"] == {"a": "b"}
    digest = told["platforms"]["linux/arm64"]
    assert "linux/arm64" in good(hello, "inspect", f"docker://{fake.name}/team/hello@{digest}")
    assert "4 layers, 0 problems" in good(hello, "validate", f"docker://{to}")
    uploads = [line for line in fake.asked if line.startswith("PUT") and "uploads" in line]
    assert len(uploads) == len(fake.blobs["team/hello"]) == 6  # four layers and two configs


def test_the_last_request_gives_the_name(hello: Path, fake: Fake) -> None:
    good(hello, "index", f"{fake.name}/team/hello:v1", ".")
    puts = [line.rpartition("/")[2] for line in fake.asked if line.startswith("PUT") and "/manifests/" in line]
    assert puts[-1] == "v1"
    assert all(name.startswith("sha256:") for name in puts[:-1])


def test_images_come_from_anywhere(hello: Path, fake: Fake) -> None:
    good(hello, "build", "arm.toml", "-o", "arm.json")
    good(hello, "copy", "lamella.toml", "oci:amd")
    good(hello, "push", "riscv.toml", f"{fake.name}/other:v1")
    good(hello, "index", f"{fake.name}/team/hello:v1", "arm.json", "oci:amd", f"docker://{fake.name}/other:v1")
    assert platforms(fake, "v1") == ["linux/amd64", "linux/arm64", "linux/riscv64"]
    good(hello, "index", "oci:all:v1", ".", "riscv.toml")
    assert "0 problems" in good(hello, "validate", "oci:amd")


def test_one_job_after_the_other_adds_its_platform(hello: Path, fake: Fake) -> None:
    to = f"{fake.name}/team/hello:v1"
    good(hello, "push", "riscv.toml", to)
    good(hello, "index", to, "arm.toml", "--append")
    good(hello, "index", to, "lamella.toml", "--append")
    assert platforms(fake, "v1") == ["linux/amd64", "linux/arm64", "linux/riscv64"]


def test_a_release_gets_its_names(hello: Path, fake: Fake) -> None:
    names = ["--branch", "main", "--default-branch", "main", "--release", "v1.2.3"]
    said = good(hello, "index", f"{fake.name}/team/hello", ".", *names)
    assert said.endswith("is main, latest, 1.2.3, 1.2, 1\n")
    assert len({fake.manifests["team/hello"][tag] for tag in ("main", "latest", "1.2.3", "1.2", "1")}) == 1


def test_an_empty_machine_that_gives_a_new_name_takes_layers_from_latest(hello: Path, fake: Fake) -> None:
    name = f"{fake.name}/team/hello"
    good(hello, "index", name, ".", "--branch", "main", "--default-branch", "main")
    shutil.rmtree(hello.parent / "cache")
    fake.asked.clear()
    good(hello, "index", name, ".", "--release", "v1.2.3")
    assert [line for line in fake.asked if "uploads" in line] == []
    assert platforms(fake, "1.2") == ["linux/amd64", "linux/arm64"]


def test_a_job_for_one_platform_goes_on_from_the_image_of_that_platform(hello: Path, fake: Fake) -> None:
    """Wherever it runs, even if only an image for a different platform has the name."""
    name = f"{fake.name}/team/hello"
    good(hello, "index", name, ".")
    good(hello, "push", "riscv.toml", f"{fake.name}/team/other")
    shutil.rmtree(hello.parent / "cache")
    (hello / "image.json").unlink(missing_ok=True)
    with reaching_out(workplace(hello.parent / "cache")) as there:
        for spec, of, arch in (("arm.toml", name, "arm64"), ("arm.toml", f"{fake.name}/team/other", "")):
            (platform,) = platforms_of(str(hello / spec), there)
            aim = Aim([], [reference_at(of)])
            draft, _ = drafted(str(hello / spec), aim, Wanted(platform), there)
            assert (draft.previous.arch if draft.previous else "") == arch


def test_jobs_at_the_same_time_lose_nothing(hello: Path, fake: Fake) -> None:
    to = f"{fake.name}/team/hello:v1"
    spec = (hello / "arm.toml").read_text()
    names = ["amd64", "arm64", "riscv64", "ppc64le", "s390x"]
    for name in names:
        (hello / f"{name}.toml").write_text(spec.replace("linux/arm64", f"linux/{name}"))
    command = [*LAMELLA, "index", to, "--append"]
    env = {**os.environ, "LAMELLA_CACHE": str(hello.parent / "cache"), "HOME": str(hello)}
    jobs = [subprocess.Popen([*command, f"{name}.toml"], cwd=hello, env=env) for name in names]
    assert [job.wait() for job in jobs] == [0] * len(names)
    assert platforms(fake, "v1") == sorted(f"linux/{name}" for name in names)
    assert {tag for tag in fake.manifests["team/hello"] if not tag.startswith("sha256:")} == {"v1"}


def test_an_index_gives_all_that_it_has(hello: Path, fake: Fake) -> None:
    good(hello, "index", f"{fake.name}/team/hello:two", ".")
    good(hello, "index", "oci:layout:v1", f"docker://{fake.name}/team/hello:two", "riscv.toml")
    good(hello, "index", f"{fake.name}/team/hello:three", "oci:layout:v1")
    assert platforms(fake, "three") == ["linux/amd64", "linux/arm64", "linux/riscv64"]


def test_archives_come_through_pipes(hello: Path, fake: Fake) -> None:
    good(hello, "copy", "arm.toml", "docker-archive:arm.tar")
    command = [*LAMELLA, "index", f"{fake.name}/team/hello:v1"]
    with (hello / "arm.tar").open("rb") as data:
        subprocess.run([*command, "riscv.toml", "docker-archive:-"], cwd=hello, stdin=data, check=True)
    assert platforms(fake, "v1") == ["linux/arm64", "linux/riscv64"]


def test_docker_has_a_form_of_its_own(hello: Path, fake: Fake) -> None:
    good(hello, "index", "--format", "v2s2", "--annotation", "a=b", f"{fake.name}/team/hello:v1", ".")
    kind, data = fake.manifests["team/hello"]["v1"]
    index = json.loads(data)
    assert kind == index["mediaType"] == "application/vnd.docker.distribution.manifest.list.v2+json"
    for entry in index["manifests"]:
        assert entry["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert "annotations" not in index


def test_several_registries_get_the_same(hello: Path, fake: Fake) -> None:
    with serving(Fake()) as second:
        also = f"{second.name}/elsewhere/hello"
        said = good(hello, "index", "-q", f"{fake.name}/team/hello:v1", ".", "--also", also, "--tag", "v1.0")
        first, other = said.splitlines()
        assert first.rpartition("@")[2] == other.rpartition("@")[2]
        assert second.manifests["elsewhere/hello"] == fake.manifests["team/hello"]
        assert second.manifests["elsewhere/hello"]["v1"] == second.manifests["elsewhere/hello"]["v1.0"]
        told = json.loads(good(hello, "index", f"{fake.name}/team/hello:v1", ".", "--also", also, "--json"))
        names = [told["name"], *(one["name"] for one in told["also"])]
        assert names == [f"{fake.name}/team/hello", f"{second.name}/elsewhere/hello"]
        assert {told["digest"], *(one["digest"] for one in told["also"])} == {first.rpartition("@")[2]}


def test_git_and_the_ci_say_what_is_released(hello: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("GITHUB_", "GITLAB_", "CI")):
            monkeypatch.delenv(name)
    for command in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "me"],
        ["config", "user.email", "me@example.com"],
        ["remote", "add", "origin", "https://user:hunter2@example.com/team/hello.git"],
        ["add", "."],
        ["commit", "-q", "-m", "one", "--date", "2024-05-01T00:00:00Z"],
        ["tag", "v1.2.3"],
    ):
        subprocess.run(["git", *command], cwd=hello, check=True, capture_output=True)
    good(hello, "index", f"{fake.name}/team/hello", ".", "--auto", "--annotation", "a=b")
    held = fake.manifests["team/hello"]
    assert {tag for tag in held if not tag.startswith("sha256:")} == {"main", "1.2.3", "1.2", "1"}
    told = json.loads(held["1.2"][1])["annotations"]
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in told.items()}
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=hello, capture_output=True, text=True, check=True)
    assert told.pop("revision") == revision.stdout.strip()
    assert told.pop("created")
    assert told == {"a": "b", "source": "https://example.com/team/hello", "title": "hello", "version": "1.2.3"}


@pytest.mark.parametrize(
    ("told", "tags"),
    [
        ({}, []),
        ({"given": ["a", "b", "a"]}, ["a", "b"]),
        ({"branch": "feature/x", "default_branch": "main"}, ["feature-x"]),
        ({"given": ["main"], "branch": "main", "default_branch": "main"}, ["main", "latest"]),
        ({"version": "v2.0.0-rc.1"}, ["2.0.0-rc.1"]),
        ({"version": "10.4.1"}, ["10.4.1", "10.4", "10"]),
    ],
)
def test_tags(told: dict[str, list[str]], tags: list[str]) -> None:
    assert release_tags(**{"given": [], **told}) == tags  # type: ignore[arg-type]  # keywords of two types


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["HOST/a:v1", "."], "is not a repository"),
        (["127.0.0.1:1/a:v1", "nowhere.toml"], "nowhere.toml"),
        (["oci:out:v1", "arm.toml", "other.toml"], "both for linux/arm64"),
        (["oci:out:v1", "arm.toml", "--append"], "--append needs a registry"),
        (["oci:out:v1", "arm.toml", "--annotation", "x"], "NAME=VALUE"),
        (["docker-archive:x", "arm.toml"], "cannot hold several images"),
    ],
)
def test_mistakes_get_one_line(hello: Path, args: list[str], said: str) -> None:
    spec = (hello / "arm.toml").read_text()
    (hello / "other.toml").write_text(spec.replace('"latest"', '"other"\ncreated = "2024-01-01"'))
    ran = run(hello, "index", *args)
    assert ran.returncode not in (0, 1)
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
