"""Reading layouts: the requested image, verified; anything else is one clear error."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from backports import zstd
from tests.made import blob_bytes, collected, held, image_with, layer_of, sample, tar_of

from lamella.errors import LamellaError
from lamella.images.layout import layout_parcel, open_layout, open_oci_archive
from lamella.images.stored import ImageError
from lamella.oci import media
from lamella.oci.decompress import DecompressError
from lamella.oci.digest import DigestError, encoded, sha256
from lamella.oci.image import Image, manifest_of
from lamella.oci.platforms import parse_platform
from lamella.oci.reference import parse_place
from lamella.oci.validate import validate
from lamella.oci.wire import WireError
from lamella.pipeline.find import open_place

Json = dict[str, Any]


def sha512(data: bytes) -> str:
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


class Made:
    """A layout that is put together by hand, so that anything can be wrong with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)

    def blob(self, data: bytes, media_type: str) -> Json:
        digest = sha256(data)
        (self.blobs / encoded(digest)).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def document(self, value: Json, media_type: str) -> Json:
        return self.blob(json.dumps(value).encode(), media_type)

    def image(self, image: Image) -> Json:
        for layer in image.layers:
            self.blob(held(layer).blob_bytes, layer.record.media_type)
        self.blob(image.config_bytes, media.CONFIG)
        return self.blob(manifest_of(image), media.MANIFEST)

    def index(self, *manifests: Json) -> None:
        (self.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))

    def open(self, name: str = "", platform: str = "") -> Image:
        return open_layout(self.root, name, parse_platform(platform) if platform else None)

    def architecture(self, name: str = "", platform: str = "") -> str:
        return self.open(name, platform).config.architecture


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "layout")


def named(descriptor: Json, name: str) -> Json:
    return {**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}}


def for_platform(descriptor: Json, architecture: str, variant: str = "", os: str = "linux") -> Json:
    return {**descriptor, "platform": {"os": os, "architecture": architecture, "variant": variant}}


def test_a_tag_a_digest_or_the_only_one(made: Made) -> None:
    amd, arm = made.image(sample("amd64")), made.image(sample("arm64"))
    made.index(named(amd, "one"), named(arm, "two"), {**arm, "annotations": {"io.containerd.image.name": "x/y:z"}})
    assert made.architecture("one") == "amd64"
    assert made.architecture("two") == "arm64"
    assert made.architecture("x/y:z") == "arm64"
    assert made.architecture(arm["digest"]) == "arm64"
    with pytest.raises(ImageError, match=r"several images: one \(linux/amd64\), two \(linux/arm64\); choose one"):
        made.open()
    with pytest.raises(ImageError, match="no image 'three'; it has one, two, x/y:z"):
        made.open("three")
    made.index(named(amd, "one"), named(amd, "again"))
    assert made.architecture() == "amd64"


def test_a_platform_is_chosen_through_indexes_in_indexes(made: Made) -> None:
    images = {name: made.image(sample(name)) for name in ("amd64", "arm64", "arm", "s390x")}
    inner = made.document(
        {"schemaVersion": 2, "manifests": [for_platform(images["arm64"], "arm64", "v8"), images["s390x"]]}, media.INDEX
    )
    attestation = for_platform(made.document({"schemaVersion": 2}, media.MANIFEST), "unknown", os="unknown")
    outer = made.document(
        {"schemaVersion": 2, "manifests": [for_platform(images["amd64"], "amd64"), inner, attestation, inner]},
        media.DOCKER_INDEX,
    )
    made.index(named(outer, "all"), for_platform(named(images["arm"], "small"), "arm", "v6"))
    assert made.architecture("all", "linux/amd64") == "amd64"
    assert made.architecture("all", "linux/arm64") == "arm64"
    assert made.architecture("all", "linux/arm64/v8") == "arm64"
    assert made.architecture("all", "linux/s390x") == "s390x"
    assert made.architecture(images["arm64"]["digest"]) == "arm64"
    assert made.architecture(outer["digest"], "linux/s390x") == "s390x"
    assert made.architecture("", "linux/arm/v6") == "arm"
    with pytest.raises(ImageError, match=r"no image for linux/arm/v7; it has .*small \(linux/arm/v6\)"):
        made.open("", "linux/arm/v7")
    with pytest.raises(ImageError, match=r"several images: \(linux/amd64\), \(linux/arm64/v8\), \(linux/s390x\);"):
        made.open("all")


def test_of_several_platforms_the_only_one_that_is_there(made: Made) -> None:
    amd, arm = made.image(sample("amd64")), made.image(sample("arm64"))
    index = {"schemaVersion": 2, "manifests": [for_platform(amd, "amd64"), for_platform(arm, "arm64")]}
    made.index(made.document(index, media.INDEX))
    (made.blobs / encoded(amd["digest"])).unlink()
    assert made.architecture() == "arm64"


def test_a_platform_is_not_given_where_another_is_asked_for(made: Made) -> None:
    made.index(made.image(sample("amd64")))
    with pytest.raises(ImageError, match=r"no image for linux/arm64; it has \(linux/amd64\)"):
        made.open("", "linux/arm64")


def test_a_variant_that_only_the_index_tells_is_believed(made: Made) -> None:
    made.index(for_platform(made.image(sample("arm")), "arm", "v5"))
    image = open_place(parse_place(f"oci:{made.root}"), platform=parse_platform("linux/arm/v5"))
    assert image.platform.variant == "v5"
    assert validate(image) == []
    with pytest.raises(ImageError, match=r"no image for linux/arm/v7; it has \(linux/arm/v5\)"):
        open_place(parse_place(f"oci:{made.root}"), platform=parse_platform("linux/arm/v7"))


def test_indexes_without_end_are_refused(made: Made) -> None:
    entry = made.image(sample())
    for _ in range(6):
        entry = made.document({"schemaVersion": 2, "manifests": [entry]}, media.INDEX)
    made.index(entry)
    with pytest.raises(ImageError, match="deep"):
        made.open()


def test_dockers_words_and_nulls_are_read(made: Made) -> None:
    tar = tar_of({"a": b"a"})
    layer = made.blob(gzip.compress(tar), media.DOCKER_LAYER_GZIP)
    config = made.document(
        {
            "architecture": "amd64",
            "os": "linux",
            "container_config": {"Hostname": "x"},
            "config": {
                "Env": None,
                "Cmd": ["sh"],
                "Volumes": None,
                "Labels": None,
                "OnBuild": None,
                "Entrypoint": None,
            },
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar)]},
            "history": [{"created_by": "ADD", "empty_layer": False}, {"created_by": "CMD", "empty_layer": True}],
        },
        media.DOCKER_CONFIG,
    )
    manifest = {"schemaVersion": 2, "mediaType": media.DOCKER_MANIFEST, "config": config, "layers": [layer]}
    made.index(made.document({**manifest, "annotations": None}, media.DOCKER_MANIFEST))
    image = made.open()
    assert image.config.config.cmd == ["sh"]
    assert image.layers[0].history.created_by == "ADD"
    assert collected(image.layers[0].content.tar) == tar
    assert validate(image) == []


def test_history_that_tells_of_other_layers_is_not_guessed_at(made: Made) -> None:
    image = sample()
    config = msgspec.structs.replace(image.config, history=image.config.history[:2])
    made.index(made.image(Image(config, msgspec.json.encode(config), image.layers)))
    assert [layer.history.created_by for layer in made.open().layers] == [""] * 4


def without_layer(made: Made, image: Image) -> Path:
    path = made.blobs / encoded(image.layers[0].record.digest)
    path.unlink()
    return path


@pytest.mark.parametrize("kind", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("way", ["blob", "tar"])
def test_damage_in_a_layer_is_found_before_the_end(made: Made, kind: str, way: str) -> None:
    image = image_with(layer_of(tar_of({"a": os.urandom(100_000)}), kind))
    made.index(made.image(image))
    path = made.blobs / encoded(image.layers[0].record.digest)
    whole = path.read_bytes()
    content = made.open().layers[0].content
    for damaged in (whole[:-1], whole + b"x", whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], b""):
        path.write_bytes(damaged)
        with pytest.raises((DigestError, DecompressError), match=path.name):
            getattr(content, way)(lambda _: None)
    path.unlink()
    with pytest.raises(ImageError, match="has no '"):
        getattr(content, way)(lambda _: None)


def test_a_tar_that_the_config_does_not_know_is_found(made: Made) -> None:
    image = image_with(layer_of(tar_of({"a": b"a"})))
    config = msgspec.structs.replace(
        image.config, rootfs=msgspec.structs.replace(image.config.rootfs, diff_ids=[sha256(b"other")])
    )
    made.index(made.image(Image(config, msgspec.json.encode(config), image.layers)))
    layer = made.open().layers[0]
    assert blob_bytes(layer) == held(image.layers[0]).blob_bytes
    with pytest.raises(DigestError, match="the tar in"):
        layer.content.tar(lambda _: None)


def test_a_document_that_is_not_what_its_digest_says(made: Made) -> None:
    image = sample()
    root = made.image(image)
    for digest in (root["digest"], sha256(image.config_bytes)):
        path = made.blobs / encoded(digest)
        data = path.read_bytes()
        made.index(root)
        path.write_bytes(data.replace(b"linux", b"LINUX").replace(b"schema", b"SCHEMA"))
        with pytest.raises(DigestError, match=encoded(digest)):
            made.open()
        path.write_bytes(data)
    assert made.open().manifest_bytes == manifest_of(image)
    made.index({**root, "size": root["size"] + 1})
    with pytest.raises(DigestError, match="has 860 bytes instead of 861"):
        made.open()


DEEP = b"[" * 200_000
GARBAGE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"3",
    DEEP,
    b'{"manifests":' + DEEP,
    b'{"schemaVersion":2,"manifests":[{"x":1}]}',
]


@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_for_json_is_one_error(made: Made, data: bytes) -> None:
    (made.root / "index.json").write_bytes(data)
    with pytest.raises(WireError, match=r"index\.json in .* is not valid"):
        made.open()
    made.index(made.blob(data, media.MANIFEST))
    with pytest.raises(WireError, match="the manifest sha256:"):
        made.open()
    made.index(made.blob(data, media.INDEX))
    with pytest.raises(WireError, match="is not valid"):
        made.open()


def test_a_document_of_100_megabytes_is_not_read(made: Made) -> None:
    root = made.image(sample())
    for name in ("index.json", f"blobs/sha256/{encoded(root['digest'])}"):
        made.index(root)
        with (made.root / name).open("r+b") as file:
            file.truncate(100_000_000)
        with pytest.raises(LamellaError, match="100000000 bytes"):
            made.open()


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "../x", "sha256:" + "A" * 64, "md5:" + "0" * 32, ""])
def test_what_is_no_digest_leads_nowhere(made: Made, digest: str) -> None:
    root = made.image(sample())
    made.index({**root, "digest": digest})
    with pytest.raises(DigestError, match="is not a digest"):
        made.open()
    manifest = json.loads(manifest_of(sample()))
    for change in ("layers", "config"):
        wrong = json.loads(json.dumps(manifest))
        (wrong["layers"][0] if change == "layers" else wrong["config"])["digest"] = digest
        made.index(made.document(wrong, media.MANIFEST))
        with pytest.raises(DigestError, match="is not a digest"):
            made.open()


def changed_manifest(made: Made, change: Callable[[Json], object]) -> None:
    made.image(sample())
    manifest = json.loads(manifest_of(sample()))
    change(manifest)
    made.index(made.document(manifest, media.MANIFEST))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["layers"].pop(), "3 layers and its config 4"),
        (lambda m: m["layers"][0].update(size=-1), "-1 bytes"),
        (lambda m: m["config"].update(mediaType="application/vnd.oci.empty.v1+json"), "is not an image"),
    ],
)
def test_a_manifest_that_cannot_be_right(made: Made, change: Callable[[Json], object], message: str) -> None:
    changed_manifest(made, change)
    with pytest.raises(ImageError, match=message):
        made.open()


def test_what_is_no_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no folder"):
        open_layout(tmp_path / "missing")
    with pytest.raises(ImageError, match="is not an OCI layout"):
        open_layout(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError, match="is not a folder"):
        open_layout(tmp_path / "file")


def test_a_pipe_in_place_of_a_blob_does_not_hang(made: Made) -> None:
    image = sample()
    made.index(made.image(image))
    path = without_layer(made, image)
    os.mkfifo(path)
    with pytest.raises(ImageError, match="is not a file"):
        made.open().layers[0].content.blob(lambda _: None)


def test_a_layout_without_images(made: Made) -> None:
    made.index()
    with pytest.raises(ImageError, match=r"has no image$"):
        made.open()


def archive_of(root: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(root, arcname=".")
    return out.getvalue()


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zstd.compress])
def test_an_archive_of_a_layout_plain_or_packed(made: Made, packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    image = sample()
    made.index(named(made.image(image), "v1"))
    path = tmp_path / "a.tar"
    path.write_bytes(packed(archive_of(made.root)))
    found = open_oci_archive(path, "v1")
    assert [blob_bytes(layer) for layer in found.layers] == [held(layer).blob_bytes for layer in image.layers]
    assert validate(found) == []
    with pytest.raises(ImageError, match="has no image 'v2'"):
        open_oci_archive(path, "v2")


def test_a_packed_archive_that_is_cut_or_packed_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(gzip.compress(bytes(100_000))[:-20])
    with pytest.raises(DecompressError, match=r"a\.tar is cut short"):
        open_oci_archive(path)
    path.write_bytes(b"\xfd7zXZ\x00more")
    with pytest.raises(DecompressError, match="compressed with xz"):
        open_oci_archive(path)


def test_a_file_that_shrinks_while_it_is_read(made: Made) -> None:
    image = image_with(layer_of(tar_of({"a": os.urandom(3 << 20)}), "none"))
    made.index(made.image(image))
    path = made.blobs / encoded(image.layers[0].record.digest)
    with pytest.raises(ImageError, match="cut short"):
        made.open().layers[0].content.blob(lambda _: os.truncate(path, 100))


def test_a_folder_in_place_of_the_index(made: Made) -> None:
    (made.root / "index.json").mkdir()
    with pytest.raises(LamellaError, match=r"index\.json"):
        made.open()


@pytest.mark.parametrize("where", ["manifest", "config", "layer", "diff_id"])
def test_images_with_sha512_are_refused_before_anything_is_copied(made: Made, where: str) -> None:
    """Otherwise some commands would work, and others would fail halfway."""
    image = sample()
    made.image(image)
    manifest, config = json.loads(manifest_of(image)), json.loads(image.config_bytes)
    if where == "diff_id":
        config["rootfs"]["diff_ids"][0] = "sha512:" + "ab" * 64
        manifest["config"] = made.document(config, media.CONFIG)
    elif where == "config":
        manifest["config"] = sha512_blob(made, image.config_bytes, media.CONFIG)
    elif where == "layer":
        layer = image.layers[0]
        manifest["layers"][0] = sha512_blob(made, held(layer).blob_bytes, layer.record.media_type)
    data = json.dumps(manifest).encode()
    root = sha512_blob(made, data, media.MANIFEST) if where == "manifest" else made.blob(data, media.MANIFEST)
    made.index(root)
    with pytest.raises(DigestError, match="lamella supports only images that use sha256"):
        made.open()
    if where != "diff_id":
        with pytest.raises(DigestError, match="lamella supports only images that use sha256"):
            layout_parcel(made.root)


def sha512_blob(made: Made, data: bytes, media_type: str) -> Json:
    digest = sha512(data)
    folder = made.root / "blobs" / "sha512"
    folder.mkdir(exist_ok=True)
    (folder / digest.partition(":")[2]).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}
