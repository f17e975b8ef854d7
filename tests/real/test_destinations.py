"""What is written is taken by skopeo, umoci, podman and Docker; what they write is read."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.made import blob_bytes, held, image_with, layer_of, tar_of
from tests.real.programs import GREETING, Docker, Podman, greeter, needs, run, skopeo_copy

from lamella.destinations.archive import write_docker_archive, write_oci_archive
from lamella.destinations.layout import Layout
from lamella.destinations.publish import publish
from lamella.images.docker_archive import open_docker_archive
from lamella.images.layout import open_layout, open_oci_archive
from lamella.oci import media
from lamella.oci.image import Image, manifest_of, parcel_of
from lamella.oci.validate import validate
from lamella.staging import staged_beside

pytestmark = pytest.mark.real


def image_of(kind: str = "gzip") -> Image:
    """An image that greets; one of its layers occurs twice."""
    program = layer_of(tar_of({"greet": greeter()}), kind, "program")
    other = layer_of(tar_of({"data": b"data" * 100_000}), kind, "data")
    return image_with(program, other, program, entrypoint=("/greet",))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the image in every form that is written."""
    write_all_forms(image_of(), tmp_path)
    return tmp_path


def write_all_forms(image: Image, folder: Path) -> None:
    publish(parcel_of(image), Layout(folder / "layout"), "v1")
    with staged_beside(folder / "oci.tar") as out:
        write_oci_archive(parcel_of(image), "v1", out)
    with staged_beside(folder / "docker.tar") as out:
        write_docker_archive(image, "greet:1.0", out)


SOURCES = ["oci:{}/layout:v1", "oci-archive:{}/oci.tar:v1", "docker-archive:{}/docker.tar:greet:1.0"]


@pytest.mark.parametrize("source", SOURCES)
def test_skopeo_reads_every_form(written: Path, source: str) -> None:
    skopeo_copy(source.format(written), f"dir:{written}/dir")
    config = json.loads(run("skopeo", "inspect", "--config", source.format(written)))
    assert config["rootfs"]["diff_ids"] == image_of().config.rootfs.diff_ids
    if source.startswith("oci"):
        assert (written / "dir" / "manifest.json").read_bytes() == manifest_of(image_of())


def test_what_skopeo_writes_is_read(written: Path) -> None:
    origin = f"oci:{written}/layout:v1"
    image = image_of()
    skopeo_copy(origin, f"oci:{written}/copy:v2")
    skopeo_copy(origin, f"oci-archive:{written}/copy-oci.tar:v2")
    skopeo_copy(origin, f"docker-archive:{written}/copy-docker.tar:greet:2.0")
    for found in (open_layout(written / "copy", "v2"), open_oci_archive(written / "copy-oci.tar", "v2")):
        assert found.manifest_bytes == manifest_of(image)
        assert [blob_bytes(layer) for layer in found.layers] == [held(layer).blob_bytes for layer in image.layers]
        assert validate(found) == []
    found = open_docker_archive(written / "copy-docker.tar", "greet:2.0")
    assert [blob_bytes(layer) for layer in found.layers] == [held(layer).tar_bytes for layer in image.layers]
    assert found.config_bytes == image.config_bytes


def test_skopeo_adds_to_a_layout_and_a_layout_adds_to_skopeos(written: Path) -> None:
    skopeo_copy(f"docker-archive:{written}/docker.tar", f"oci:{written}/layout:v2")
    publish(parcel_of(image_of("none")), Layout(written / "layout"), "v3")
    tags = json.loads((written / "layout" / "index.json").read_bytes())["manifests"]
    assert [tag["annotations"]["org.opencontainers.image.ref.name"] for tag in tags] == ["v1", "v2", "v3"]
    for tag in ("v1", "v2", "v3"):
        assert validate(open_layout(written / "layout", tag)) == []
        skopeo_copy(f"oci:{written}/layout:{tag}", f"dir:{written}/{tag}")


def test_zstd_layers_are_taken(tmp_path: Path) -> None:
    publish(parcel_of(image_of("zstd")), Layout(tmp_path / "layout"), "v1")
    skopeo_copy(f"oci:{tmp_path}/layout:v1", f"oci:{tmp_path}/copy:v1")
    found = open_layout(tmp_path / "copy", "v1")
    assert {layer.record.media_type for layer in found.layers} == {media.LAYER_ZSTD}
    assert validate(found) == []


def test_umoci_unpacks_a_layout(written: Path) -> None:
    needs("umoci")
    run("umoci", "stat", "--image", f"{written}/layout:v1")
    run("umoci", "unpack", "--rootless", "--image", f"{written}/layout:v1", written / "bundle")
    assert (written / "bundle" / "rootfs" / "greet").read_bytes() == greeter()
    run("umoci", "repack", "--image", f"{written}/layout:v2", written / "bundle")
    run("umoci", "gc", "--layout", written / "layout")
    assert validate(open_layout(written / "layout", "v1")) == []
    assert validate(open_layout(written / "layout", "v2")) == []


@pytest.mark.parametrize("form", ["oci.tar", "docker.tar"])
def test_podman_loads_and_runs(written: Path, podman: Podman, form: str) -> None:
    name = podman("load", "--quiet", "--input", written / form).strip().removeprefix("Loaded image: ")
    assert podman("run", "--rm", name) == GREETING.decode()
    for kind, reader in (("docker-archive", open_docker_archive), ("oci-archive", open_oci_archive)):
        podman("save", "--quiet", "--format", kind, "--output", written / kind, name)
        found = reader(written / kind)
        assert validate(found) == []
        assert found.config.rootfs.diff_ids == image_of().config.rootfs.diff_ids


def test_docker_loads_and_runs_and_its_archive_is_read(written: Path, docker: Docker) -> None:
    docker("load", "--input", written / "docker.tar")
    assert docker("run", "--rm", "--network=none", "greet:1.0") == GREETING.decode()
    docker("save", "--output", written / "saved.tar", "greet:1.0")
    found = open_docker_archive(written / "saved.tar", "greet:1.0")
    assert found.config_bytes == image_of().config_bytes
    assert [blob_bytes(layer) for layer in found.layers] == [held(layer).tar_bytes for layer in image_of().layers]


def test_docker_loads_from_a_pipe(docker: Docker) -> None:
    with subprocess.Popen(
        ["docker", "-H", docker.host, "load"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as load:
        assert load.stdin is not None
        write_docker_archive(image_of("zstd"), "piped:1.0", load.stdin)
        load.stdin.close()
    assert load.returncode == 0
    assert docker("run", "--rm", "--network=none", "piped:1.0") == GREETING.decode()


def test_docker_loads_an_image_without_a_name(tmp_path: Path, docker: Docker) -> None:
    with staged_beside(tmp_path / "docker.tar") as out:
        write_docker_archive(image_of(), "", out)
    said = docker("load", "--input", tmp_path / "docker.tar")
    assert "Loaded image ID: sha256:" in said
