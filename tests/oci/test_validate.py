"""Everything that is wrong with an image is reported, not only the first problem."""

import gzip
import os
import re
from dataclasses import replace

import msgspec
import pytest
from tests.made import Held, held, image_with, layer_of, sample, tar_of

from lamella.errors import LamellaError
from lamella.oci import media
from lamella.oci.digest import sha256
from lamella.oci.image import Image, Layer, Sink, image_of, manifest_of
from lamella.oci.validate import Problem, validate
from lamella.oci.wire import Descriptor, History, Platform

ARM = Platform(architecture="arm64", os="linux")


def root_of(image: Image) -> Descriptor:
    data = manifest_of(image)
    platform = Platform(architecture="amd64", os="linux")
    return Descriptor(media_type=media.MANIFEST, digest=sha256(data), size=len(data), platform=platform)


def told(image: Image) -> list[str]:
    return [problem.message for problem in validate(image)]


def test_a_sound_image_has_no_problems() -> None:
    image = sample("amd64", "gzip", "zstd", "none")
    assert validate(image) == []
    assert validate(replace(image, root=root_of(image))) == []
    assert validate(image_with()) == []


def broken(layer: Layer, blob: bytes) -> Layer:
    return replace(layer, content=Held(held(layer).tar_bytes, blob))


def test_every_layer_is_looked_at() -> None:
    layers = [layer_of(tar_of({kind: os.urandom(5000)}), kind) for kind in ("gzip", "none", "zstd", "none")]
    blobs = [held(layer).blob_bytes for layer in layers]
    other = tar_of({"other": bytes(20_000)})
    record = replace(layers[2].record, diff_id=sha256(other), tar_size=len(other))
    image = image_with(
        broken(layers[0], blobs[0][:-9]),
        broken(layers[1], blobs[1][:-1] + b"x"),
        replace(layers[2], record=record),
        layers[3],
    )
    problems = validate(image)
    assert [problem.layer for problem in problems] == [0, 0, 0, 1, 2, 2]
    messages = [problem.message for problem in problems]
    assert f"should have {len(blobs[0])} bytes and has {len(blobs[0]) - 9}" in messages[0]
    assert messages[1].startswith(f"{layers[0].record.digest} is ")
    assert "cut short" in messages[2]
    assert messages[3].startswith(f"{layers[1].record.digest} is ")
    assert f"should have {len(other)} bytes" in messages[4]
    assert messages[5].startswith(f"{sha256(other)} is ")


def test_damage_inside_a_stream_does_not_hide_the_digest() -> None:
    layer = layer_of(tar_of({"a": os.urandom(50_000)}), "gzip")
    blob = bytearray(held(layer).blob_bytes)
    blob[0] ^= 1
    problems = validate(image_with(broken(layer, bytes(blob))))
    assert [problem.layer for problem in problems] == [0, 0]
    assert problems[0].message.startswith(layer.record.digest)
    assert "is not valid gzip" in problems[1].message


def test_layers_that_cannot_be_read_are_told_of() -> None:
    layer = layer_of(tar_of({"a": b"a"}))
    odd = replace(layer, record=replace(layer.record, media_type="text/plain"))
    assert validate(image_with(odd, layer)) == [Problem("'text/plain' is not a layer's media type", 0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 3}, "the manifest has .* bytes, and its descriptor says 3"),
        ({"digest": sha256(b"")}, f"the manifest is .*, and its descriptor says {sha256(b'')}"),
        ({"media_type": media.INDEX}, "the manifest has the media type"),
        ({"platform": ARM}, "the index says linux/arm64 and the config linux/amd64"),
    ],
)
def test_what_names_the_manifest_is_checked(change: dict[str, object], message: str) -> None:
    image = sample()
    image = replace(image, root=msgspec.structs.replace(root_of(image), **change))
    (problem,) = validate(image)
    assert problem.layer is None
    assert re.search(message, problem.message)


def test_a_config_that_is_not_the_manifests() -> None:
    image = sample()
    other = replace(image, config_bytes=image.config_bytes + b" ", manifest_bytes=manifest_of(image))
    assert len(told(other)) == 2
    assert "the config has" in told(other)[0]


def test_a_manifest_of_other_layers() -> None:
    image = sample()
    other = replace(image, manifest_bytes=manifest_of(replace(image, layers=image.layers[:2])))
    assert told(other) == ["the manifest does not list the image's layers"]
    assert "the manifest is not valid" in told(replace(image, manifest_bytes=b"{"))[0]


def test_a_config_of_other_layers_and_histories() -> None:
    image = sample()
    assert "4 diff_ids, which are not those of the 2 layers" in told(image_of(image.config, image.layers[:2]))[0]
    history = [*image.config.history, History(created_by="one more")]
    config = msgspec.structs.replace(image.config, history=history)
    assert told(image_of(config, image.layers)) == ["the history has 5 layers, and the image 4"]
    empty = [*image.config.history, History(created_by="CMD", empty_layer=True)]
    assert told(image_of(msgspec.structs.replace(image.config, history=empty), image.layers)) == []


def test_progress_is_told() -> None:
    seen: dict[str, tuple[int, int]] = {}
    image = sample()
    validate(image, lambda name, done, of: seen.update({name: (done, of)}))
    assert seen == {layer.name: (layer.record.size, layer.record.size) for layer in image.layers}


def test_a_size_that_nobody_told_is_not_missed() -> None:
    layer = layer_of(tar_of({"a": b"a"}))
    assert gzip.decompress(held(layer).blob_bytes) == held(layer).tar_bytes
    assert validate(image_with(replace(layer, record=replace(layer.record, tar_size=0)))) == []


def test_what_reading_complains_of_is_told() -> None:
    class Unreadable(Held):
        def blob(self, sink: Sink) -> None:
            raise LamellaError("cannot read it")

    layer = layer_of(tar_of({"a": b"a"}))
    image = image_with(layer, replace(layer, content=Unreadable(b"", b"")))
    assert validate(image) == [Problem("cannot read it", 1)]
