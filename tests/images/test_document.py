"""Documents of images are read back as written, and impossible ones are refused with one line."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamella import Image, Layer, files, pipeline
from lamella.errors import LamellaError
from lamella.images.document import encode_document, read_image, read_layers
from lamella.layering import Churn, Previous
from lamella.oci.validate import validate
from lamella.oci.wire import WireError
from lamella.pipeline.explain.view import graph_of, of_document
from lamella.pipeline.find import draft_of, read_document
from lamella.pipeline.memory.documents import churn_of, sections_of, whole
from lamella.pipeline.workplace import Workplace, workplace
from lamella.spec.model import Perm, Rewrite, Spec

TAR = "application/vnd.oci.image.layer.v1.tar"
DIGEST = f"sha256:{'1' * 64}"
LAYER = {"digest": DIGEST, "size": 1024, "diff_ids": DIGEST, "paths": [{"path": "/nowhere"}], "mediatype": TAR}
IMAGE = {"version": 1, "image-config": {}, "layers": [LAYER], "arch": "amd64", "created": "2024-05-01T12:00:00.5Z"}


def said(told: object) -> str:
    """The error for a document that is refused."""
    data = told if isinstance(told, bytes) else json.dumps(told).encode()
    with pytest.raises(WireError) as error:
        read_image(data, "image.json")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("image.json")
    return str(error.value)


NO_DOCUMENTS = [b"", b"{", b"[", b"nul", b"\xff\xfe", b'"image"', b"1" * 5000, b"{}", b"[null]", b"[1]"]


@pytest.mark.parametrize("data", NO_DOCUMENTS)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    assert "is not valid" in said(data)


def test_every_document_that_is_cut_short_is_refused() -> None:
    data = json.dumps(IMAGE).encode()
    for end in range(len(data)):
        said(data[:end])


@pytest.mark.parametrize("start", [b"", b'{"version": 1, "x": ', b'{"version": null, "x": ', b'{"layers": '])
def test_deep_documents_are_refused(start: bytes) -> None:
    assert "recursion" in said(start + b"[" * 100_000)
    assert "recursion" in said(start + b'{"a":' * 100_000)


@pytest.mark.parametrize("name", ["../../../tmp/x", "/tmp/x", "a/../../b", "..", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert "change its name or tag" in said({**IMAGE, "lamella": {"name": name}})
    assert "change its name or tag" in said({**IMAGE, "lamella": {"tag": name}})
    part = {"package": {"id": "evil-1", "name": "evil", "content": name, "size": 1}}
    assert "is not a digest" in said({**IMAGE, "layers": [{**LAYER, "lamella": {"parts": [part]}}]})


@pytest.mark.parametrize("version", [0, 2, -1, 10**30])
def test_other_versions_are_refused(version: int) -> None:
    assert "only version 1 is supported" in said({**IMAGE, "version": version})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": -1}, "Expected `int` >= 0"),
        ({"size": 1 << 63}, "Expected `int` <= "),
        ({"size": 1e300}, "Expected `int`"),
        ({"size": "1024"}, "Expected `int`, got `str`"),
        ({"digest": "sha256:1"}, "'sha256:1' is not a digest"),
        ({"diff_ids": "../../etc/passwd"}, "is not a digest"),
        ({"diff_ids": f"sha256:{'2' * 64}"}, "do not fit its media type"),
        ({"mediatype": f"{TAR}+gzip"}, "do not fit its media type"),
        ({"mediatype": "text/html"}, "is not a layer's media type"),
        ({"layer-path": "/a\0b"}, "a file name with a NUL byte"),
        ({"paths": [{"path": "/a\0b"}]}, "a file name with a NUL byte"),
        ({"paths": [{}]}, "missing required field `path`"),
        ({"History": {"created": "yesterday"}}, "'yesterday' is not a date"),
        ({"lamella": {"parts": [{"package": {"id": "a"}}]}}, "missing required field"),
    ],
)
def test_what_can_be_true_of_no_layer_is_refused(wrong: dict[str, object], message: str) -> None:
    assert message in said({**IMAGE, "layers": [{**LAYER, **wrong}]})
    assert message in said([{**LAYER, **wrong}])


@pytest.mark.parametrize("created", ["yesterday", "2024-05-01", "2024-05-01T12:00:00", "12"])
def test_dates_that_other_programs_cannot_read_are_refused(created: str) -> None:
    assert "is not a date" in said({**IMAGE, "created": created})


def test_images_without_notes_teach_nothing() -> None:
    item = read_image(json.dumps(IMAGE).encode(), "")
    assert (sections_of(item), churn_of(item), whole(item)) == ({}, Churn(), Previous())


@pytest.mark.parametrize("none", [b"null", b" [] ", b'{"version": 1}', b'{"version": 1, "layers": null}'])
def test_there_may_be_no_layers(none: bytes) -> None:
    assert not read_image(none, "").layers


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workplace, Spec, dict[str, Any]]:
    """A spec, and the document of the image built from it."""
    folder = tmp_path_factory.mktemp("documents")
    for name in ("one", "two", "three"):
        (folder / name).mkdir()
        (folder / name / "file").write_text(name * 100)
    layers = [
        Layer("one", [files("one")], perms=[Perm(match="one", mode=0o600)], rewrites=[Rewrite(match="a", to="b")]),
        Layer("rest", [files("two"), files("three")], max_layers=2, layering="steady"),
    ]
    place = workplace(folder / "cache")
    spec = Spec(Image("image", layers=layers, compression="none"), folder)
    first = pipeline.remember(pipeline.build(pipeline.plan(spec, place), place), place)
    second = pipeline.remember(pipeline.build(pipeline.plan(spec, place, first), place), place)
    return place, spec, json.loads(encode_document(second))


def test_what_is_written_is_read_back(built: tuple[Workplace, Spec, dict[str, Any]]) -> None:
    told = built[2]
    data = encode_document(read_image(json.dumps(told).encode(), ""))
    assert json.loads(data) == told
    layers = read_layers(json.dumps(told["layers"]).encode(), "")
    assert json.loads(encode_document(layers)) == told["layers"]
    assert sections_of(read_image(data, "")).keys() == {"one", "rest"}


JUNK: list[object] = [None, "", "\0", "x", "(", "[:", "sha256:", DIGEST, -1, 0, 1, 1.5, 1 << 63, 10**400, True, [], {}]


def places(told: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in a document: its container, and its key there."""
    for key in list(told) if isinstance(told, dict) else range(len(told)) if isinstance(told, list) else ():
        yield told, key
        yield from places(told[key])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_stands_in_a_document_nothing_but_a_line_comes_of_it(
    built: tuple[Workplace, Spec, dict[str, Any]], data: st.DataObject
) -> None:
    place, spec, told = built
    told = json.loads(json.dumps(told))
    for _ in range(data.draw(st.integers(1, 2))):
        inside, key = data.draw(st.sampled_from(list(places(told))))
        if data.draw(st.booleans()):
            inside[key] = data.draw(st.sampled_from(JUNK))
        else:
            inside.pop(key)
    path = spec.folder / "image.json"
    path.write_text(json.dumps(told))
    with contextlib.suppress(LamellaError):
        item = read_document(path)
        graph_of(of_document(item, str(path)))
        pipeline.plan(spec, place, item)
        empty = workplace(spec.folder / "other")
        validate(pipeline.build(draft_of(item, path, empty), empty).image)
