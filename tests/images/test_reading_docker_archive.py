"""Reading docker-archives as Docker, podman and Nix write them."""

import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from backports import zstd
from tests.made import blob_bytes, collected, pack, tar_of

from lamella.errors import LamellaError
from lamella.images.docker_archive import open_docker_archive
from lamella.images.layout import open_layout, open_oci_archive
from lamella.images.stored import ImageError
from lamella.oci import media
from lamella.oci.digest import DigestError, sha256
from lamella.oci.validate import validate

TARS = [tar_of({f"{i}": bytes([i]) * 20_000}) for i in range(2)]


def config_of(*tars: bytes) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["A=1"], "Labels": None},
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
        }
    ).encode()


def archive_of(files: Mapping[str, bytes | str]) -> bytes:
    """A tar of `files`; a text is the target of a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def manifest(*items: tuple[str, list[str] | None, list[str]]) -> bytes:
    return json.dumps([{"Config": c, "RepoTags": tags, "Layers": layers} for c, tags, layers in items]).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "image.tar"


def test_layers_in_folders_with_links_between_them(path: Path) -> None:
    path.write_bytes(
        archive_of(
            {
                "c.json": config_of(TARS[0], TARS[1], TARS[0]),
                "aa/VERSION": b"1.0",
                "aa/json": b"{}",
                "aa/layer.tar": "../cc/layer.tar",
                "bb/layer.tar": TARS[1],
                "cc/layer.tar": TARS[0],
                "manifest.json": manifest(("c.json", ["app:1"], ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar"])),
            }
        )
    )
    image = open_docker_archive(path)
    assert [blob_bytes(layer) for layer in image.layers] == [TARS[0], TARS[1], TARS[0]]
    assert [layer.record.media_type for layer in image.layers] == [media.LAYER] * 3
    assert [layer.record.digest for layer in image.layers] == image.config.rootfs.diff_ids
    assert image.config_bytes == config_of(TARS[0], TARS[1], TARS[0])
    assert validate(image) == []


@pytest.mark.parametrize(("kind", "media_type"), [("gzip", media.LAYER_GZIP), ("zstd", media.LAYER_ZSTD)])
def test_compressed_layers_are_kept_as_they_are(path: Path, kind: str, media_type: str) -> None:
    blobs = [pack(tar, kind) for tar in TARS]
    names = [f"blobs/sha256/{i}" for i in range(2)]
    files = dict(zip(names, blobs, strict=True))
    path.write_bytes(archive_of({**files, "c": config_of(*TARS), "manifest.json": manifest(("c", None, names))}))
    image = open_docker_archive(path)
    assert [blob_bytes(layer) for layer in image.layers] == blobs
    assert [collected(layer.content.tar) for layer in image.layers] == TARS
    assert [layer.record.media_type for layer in image.layers] == [media_type] * 2
    assert [layer.record.digest for layer in image.layers] == [sha256(blob) for blob in blobs]
    assert validate(image) == []


def simple(tags: list[str] | None = None) -> dict[str, bytes | str]:
    return {"0": TARS[0], "c": config_of(TARS[0]), "manifest.json": manifest(("c", tags, ["0"]))}


@pytest.mark.parametrize("packed", [gzip.compress, zstd.compress])
def test_an_archive_that_is_packed_as_a_whole(path: Path, packed: type[bytes]) -> None:
    path.write_bytes(packed(archive_of(simple())))
    assert validate(open_docker_archive(path)) == []


@pytest.mark.parametrize(
    ("tag", "asked"),
    [
        ("app:1", "app:1"),
        ("localhost/app:1", "app:1"),
        ("app:latest", "app"),
        ("docker.io/library/app:1", "app:1"),
        ("docker.io/me/app:1", "me/app:1"),
        ("registry:5000/app:latest", "registry:5000/app"),
    ],
)
def test_names_are_known_in_the_ways_that_programs_write_them(path: Path, tag: str, asked: str) -> None:
    path.write_bytes(archive_of(simple(["other:2", tag])))
    assert open_docker_archive(path, asked).layers
    assert open_docker_archive(path, tag).layers
    with pytest.raises(ImageError, match="no image 'app:9'; it has"):
        open_docker_archive(path, "app:9")


def test_one_of_several(path: Path) -> None:
    items = manifest(("c0", ["app:1"], ["0"]), ("c1", ["app:2", "app:latest"], ["1"]))
    configs = {"c0": config_of(TARS[0]), "c1": config_of(TARS[1])}
    path.write_bytes(archive_of({"0": TARS[0], "1": TARS[1], **configs, "manifest.json": items}))
    assert blob_bytes(open_docker_archive(path, "app:1").layers[0]) == TARS[0]
    assert blob_bytes(open_docker_archive(path, "app").layers[0]) == TARS[1]
    with pytest.raises(ImageError, match="has 2 images: app:1, app:2, app:latest; choose one"):
        open_docker_archive(path)


def test_a_layer_that_is_not_the_configs_is_found_while_it_streams(path: Path) -> None:
    path.write_bytes(archive_of({**simple(), "0": TARS[1]}))
    layer = open_docker_archive(path).layers[0]
    for way in (layer.content.blob, layer.content.tar):
        with pytest.raises(DigestError, match=r"'0' in .*image\.tar is damaged"):
            way(lambda _: None)
    path.write_bytes(archive_of({**simple(), "0": gzip.compress(TARS[1])}))
    layer = open_docker_archive(path).layers[0]
    with pytest.raises(DigestError, match="the tar in '0'"):
        layer.content.tar(lambda _: None)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"0": lzma.compress(TARS[0])}, "compressed with xz; layers can be plain, gzip or zstd"),
        ({"manifest.json": manifest(("c", None, ["0", "0"]))}, "2 layers and the config 1"),
        ({"manifest.json": manifest(("c", None, ["missing"]))}, "has no 'missing'"),
        ({"manifest.json": manifest(("missing", None, ["0"]))}, "has no 'missing'"),
        ({"manifest.json": manifest(("c", None, ["../../etc/passwd"]))}, "has no '"),
        ({"manifest.json": manifest(("/etc/passwd", None, ["0"]))}, "has no '"),
        ({"manifest.json": manifest()}, "has no image"),
        ({"manifest.json": b"{"}, "manifest.json in .* is not valid"),
        ({"manifest.json": b"[" * 300_000}, "manifest.json in .* is not valid"),
        ({"manifest.json": bytes(5 << 20)}, "too large for a document of an image"),
        ({"c": b"{}"}, "c in .* is not valid"),
        ({"c": b""}, "c in .* is not valid"),
        ({"c": config_of().replace(b"[]", b'["sha256:../x"]')}, "is not a digest"),
        ({"0": "c"}, "is damaged"),
    ],
)
def test_what_cannot_be_an_image_is_one_error(path: Path, files: dict[str, bytes | str], message: str) -> None:
    path.write_bytes(archive_of({**simple(), **files}))
    with pytest.raises(LamellaError, match=message):
        collected(open_docker_archive(path).layers[0].content.blob)


def test_the_other_kind_of_archive_is_pointed_at(path: Path) -> None:
    path.write_bytes(archive_of({"index.json": b"{}"}))
    with pytest.raises(ImageError, match=r"it has no manifest\.json; write oci-archive:"):
        open_docker_archive(path)
    path.write_bytes(archive_of(simple()))
    with pytest.raises(ImageError, match=r"it has no index\.json; write docker-archive:"):
        open_oci_archive(path)
    with pytest.raises(ImageError, match="is not a folder"):
        open_layout(path)
