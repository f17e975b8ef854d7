"""`lamella copy` and `pull`: the same bytes at every destination, for one platform or for all."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.command import LAMELLA
from tests.registry.fake import Fake, Trouble

HELLO = Path(__file__).parents[2] / "examples" / "hello"
BOTH = ["linux/amd64", "linux/arm64"]


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """The example, for two platforms."""
    shutil.copytree(HELLO, tmp_path / "hello")
    file = tmp_path / "hello" / "lamella.toml"
    file.write_text(file.read_text().replace('["linux/amd64"]', json.dumps(BOTH)))
    return tmp_path / "hello"


def run(folder: Path, *args: str, data: bytes = b"", cache: str = "cache") -> subprocess.CompletedProcess[bytes]:
    command = [*LAMELLA, *args]
    env = {**os.environ, "LAMELLA_CACHE": str(folder.parent / cache), "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, input=data, capture_output=True, check=False)


def good(folder: Path, *args: str, data: bytes = b"", cache: str = "cache") -> bytes:
    ran = run(folder, *args, data=data, cache=cache)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def bad(folder: Path, *args: str) -> str:
    ran = run(folder, *args)
    assert ran.returncode
    assert ran.stderr.count(b"\n") == 1, ran.stderr.decode()
    return ran.stderr.decode()


def test_an_index_goes_everywhere_and_comes_back_as_it_was(hello: Path, fake: Fake) -> None:
    first = f"docker://{fake.name}/team/hello:v1"
    digest = json.loads(good(hello, "index", first, ".", "--json"))["digest"]
    way = ["oci:layout:v1", "oci-archive:archive.tar:v1", "dir:folder", f"docker://{fake.name}/other/hello:v1"]
    for source, target in zip([first, *way], way, strict=False):
        told = json.loads(good(hello, "copy", "--all", "--json", source, target))
        assert told["digest"] == digest
        assert len(told["manifests"]) == 5
    assert fake.manifests["other/hello"] == fake.manifests["team/hello"]
    assert fake.blobs["other/hello"] == fake.blobs["team/hello"]
    for place in way:
        for platform in BOTH:
            one = json.loads(good(hello, "copy", "--platform", platform, "--json", place, f"oci:one:{platform[6:]}"))
            assert len(one["layers"]) == 4


def test_a_copy_tells_the_digest_of_the_manifest_that_it_wrote(hello: Path, fake: Fake) -> None:
    one = ("copy", "--platform", "linux/amd64", "--json", ".")
    for form in ("oci", "v2s2"):
        told = json.loads(good(hello, *one, f"docker://{fake.name}/hello:{form}", "--format", form))
        assert fake.manifests["hello"][told["digest"]] == fake.manifests["hello"][form]
    digest = json.loads(good(hello, *one, "oci:layout:v1"))["digest"]
    assert json.loads(good(hello, *one, "oci-archive:file.tar"))["digest"] == digest
    assert digest in (hello / "layout" / "index.json").read_text()
    assert json.loads(good(hello, *one, "docker-archive:docker.tar"))["digest"] is None


def test_blobs_of_a_repository_beside_are_not_sent(hello: Path, fake: Fake) -> None:
    good(hello, "index", f"{fake.name}/team/hello:v1", ".")
    fake.asked.clear()
    good(hello, "copy", "--all", f"docker://{fake.name}/team/hello:v1", f"docker://{fake.name}/other:v1")
    assert not [line for line in fake.asked if line.startswith("GET") and "/blobs/" in line and len(line) > 200]
    mounts = [line for line in fake.asked if "mount=" in line]
    assert len(mounts) == 6  # four layers and two configs


def test_what_takes_one_image_is_not_given_several(hello: Path) -> None:
    good(hello, "index", "oci:layout:v1", ".")
    assert "holds only one image" in bad(hello, "copy", "--all", "oci:layout:v1", "docker-archive:x.tar")
    assert "use lamella index" in bad(hello, "copy", "--all", ".", "oci:x")
    assert "--all copies everything unchanged" in bad(hello, "copy", "--all", "--format", "oci", "oci:layout", "oci:x")
    assert "has no image for linux/s390x" in bad(hello, "copy", "--platform", "linux/s390x", "oci:layout:v1", "oci:x")
    assert "not for linux/s390x" in bad(hello, "copy", "--platform", "linux/s390x", ".", "oci:x")
    assert "has 0 images 'v2'" in bad(hello, "copy", "--all", "oci:layout:v2", "oci:x")


def test_archives_come_through_pipes(hello: Path) -> None:
    for kind in ("docker-archive", "oci-archive"):
        data = good(hello, "copy", ".", f"{kind}:-")
        good(hello, "copy", f"{kind}:-", f"oci:{kind}:v1", data=data)
        assert b"4 layers, 0 problems" in good(hello, "validate", f"oci:{kind}")


def test_docker_has_a_form_of_its_own(hello: Path, fake: Fake) -> None:
    good(hello, "copy", "--format", "v2s2", ".", f"docker://{fake.name}/app:docker")
    kind, data = fake.manifests["app"]["docker"]
    manifest = json.loads(data)
    assert kind == manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}
    assert manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
    assert "annotations" not in data.decode()
    good(hello, "copy", "--format", "oci", f"docker://{fake.name}/app:docker", "oci:layout")
    back = json.loads(
        good(hello, "copy", "--format", "v2s2", "oci:layout", f"docker://{fake.name}/app:again", "--json")
    )
    assert fake.manifests["app"]["again"][1] == data
    assert [layer["digest"] for layer in back["layers"]] == [layer["digest"] for layer in manifest["layers"]]
    spec = hello / "lamella.toml"
    spec.write_text(f'compression = "zstd"\n{spec.read_text()}')
    assert "v2s2 does not support" in bad(hello, "copy", "--format", "v2s2", ".", "oci:layout:zstd")


def test_a_pull_fetches_what_is_not_there(hello: Path, fake: Fake) -> None:
    reference = f"{fake.name}/team/hello:v1"
    good(hello, "push", ".", reference)
    fake.trouble = [Trouble("^GET .*/blobs/sha256", 2, cut=50)]
    told = json.loads(good(hello, "pull", reference, "oci:layout:mine", "--json"))
    assert [layer["state"] for layer in told["layers"]] == ["fetched"] * 4
    assert b"4 layers, 0 problems" in good(hello, "validate", "oci:layout:mine")
    assert (
        good(hello, "pull", "-q", reference, "oci:layout:mine").decode() == f"{fake.name}/team/hello@{told['digest']}\n"
    )
    ran = run(hello, "pull", "-v", reference, "oci:other")
    lines = sorted(line.partition(":")[0] for line in ran.stderr.decode().splitlines()[1:])
    assert lines == sorted(layer["digest"][7:19] for layer in told["layers"])
    assert b"0 of 4 layers fetched (0 B)" in good(hello, "pull", reference, "oci:layout:mine")


def test_what_was_pulled_is_not_fetched_again(hello: Path, fake: Fake) -> None:
    reference = f"{fake.name}/team/hello:v1"
    good(hello, "push", ".", reference)
    assert b"4 of 4 layers fetched" in good(hello, "pull", reference, cache="other")
    assert b"0 of 4 layers fetched" in good(hello, "pull", reference, cache="other")
    (hello / "on.toml").write_text(f'name = "on"\nbase = "docker://{reference}"\nfiles = ["app"]\n')
    fake.asked.clear()
    good(hello, "copy", "on.toml", "docker-archive:on.tar", cache="other")
    assert len([line for line in fake.asked if "/blobs/" in line]) == 1  # the config
    assert "no image" in bad(hello, "pull", f"{fake.name}/team/hello:v2")
    assert fake.blobs["team/hello"]


def test_damage_on_the_way_is_found(hello: Path, fake: Fake) -> None:
    reference = f"{fake.name}/team/hello:v1"
    good(hello, "push", ".", reference)
    blobs = fake.blobs["team/hello"]
    largest = max(blobs, key=lambda digest: len(blobs[digest]))
    blobs[largest] = blobs[largest][:-1] + b"?"
    assert "is something else" in bad(hello, "pull", reference, "oci:layout")
    assert not (hello / "layout" / "index.json").exists()


def test_one_platform_of_several_is_built_planned_and_looked_at(hello: Path) -> None:
    good(hello, "build", "--platform", "linux/arm64", "-o", "arm.json")
    assert b"linux/arm64" in good(hello, "inspect", "arm.json")
    good(hello, "index", "oci:layout:v1", ".")
    assert b"linux/arm64" in good(hello, "inspect", "--platform", "linux/arm64", "oci:layout:v1")
    assert good(hello, "plan", "--platform", "linux/arm64").count(b"reuse") == 4
    assert b"4 layers, 0 problems" in good(hello, "validate", "--platform", "linux/arm64", "oci:layout:v1")
    assert "is not a platform" in bad(hello, "build", "--platform", "arm64")
