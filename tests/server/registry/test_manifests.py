"""Manifests are pushed, tagged and removed."""

import hashlib
import json

import pytest
from tests.server.registry.asking import Asking, descriptor, image_of, index_of, written

from lamella.cache.repositories import Manifest
from lamella.oci import media
from lamella.oci.digest import Digest, sha256

NOTHING = sha256(b"nothing")


def sha512(data: bytes) -> Digest:
    return Digest(f"sha512:{hashlib.sha512(data).hexdigest()}")


def test_by_digest_and_by_tag(ask: Asking) -> None:
    manifest = image_of(ask.blob(b"{}"), ask.blob(b"layer"), unknown={"field": [1, 2.5, None]})
    for reference in (manifest.digest, "v1"):
        made = ask.push(manifest, reference)
        assert (made.status, made.location) == (201, f"/v2/team/app/manifests/{manifest.digest}")
        assert made.headers["Docker-Content-Digest"] == manifest.digest
        assert made.headers["OCI-Subject"] is None
        assert ask("GET", made.location).body == manifest.data


def test_a_body_of_unknown_length(ask: Asking) -> None:
    manifest = image_of(ask.blob(b"{}"))
    blocks = (manifest.data[at : at + 100] for at in range(0, len(manifest.data), 100))
    assert ask("PUT", "manifests/v1", blocks, Content_Type=media.MANIFEST).status == 201
    assert ask("GET", "manifests/v1").body == manifest.data


def test_several_tags_at_once(ask: Asking) -> None:
    manifest = image_of(ask.blob(b"{}"))
    ask.image("old", tag="v1")
    for digest in (manifest.digest, sha512(manifest.data)):
        made = ask("PUT", f"manifests/{digest}?tag=v1&tag=v2", manifest.data, Content_Type=media.MANIFEST)
        assert (made.status, made.headers.get_all("OCI-Tag")) == (201, ["v1", "v2"])
        assert ask("GET", "tags/list").json["tags"] == ["v1", "v2"]
        for tag in ("v1", "v2"):
            found = ask("GET", f"manifests/{tag}")
            assert (found.body, found.headers["Docker-Content-Digest"]) == (manifest.data, digest)
    refused = ask("PUT", f"manifests/{manifest.digest}?tag=v3&tag=-no", manifest.data, Content_Type=media.MANIFEST)
    assert (refused.status, refused.code) == (400, "TAG_INVALID")
    assert ask("HEAD", "manifests/v3").status == 404


def test_a_tag_moves(ask: Asking) -> None:
    one = ask.image("one", tag="v1")
    two = ask.image("two", tag="v1")
    assert ask("GET", "manifests/v1").body == two.data
    assert ask("GET", f"manifests/{one.digest}").body == one.data


def test_all_in_sha512(ask: Asking) -> None:
    blobs = []
    for data in (b"{}", b"layer"):
        digest = sha512(data)
        assert ask("POST", f"blobs/uploads/?digest={digest}", data).status == 201
        blobs.append(digest)
    manifest = image_of(*blobs)
    digest = sha512(manifest.data)
    made = ask("PUT", f"manifests/{digest}", manifest.data, Content_Type=media.MANIFEST)
    assert (made.status, made.headers["Docker-Content-Digest"]) == (201, digest)
    parent = index_of(digest)
    assert ask.push(parent, "v1").status == 201
    assert ask("GET", f"manifests/{digest}").headers["Docker-Content-Digest"] == digest
    assert ask("GET", f"manifests/{manifest.digest}").status == 404


def test_all_kinds_are_taken(ask: Asking) -> None:
    config, layer, child = ask.blob(b"{}"), ask.blob(b"layer"), ask.image("child")
    elsewhere = descriptor(NOTHING, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
    parent = index_of(child.digest)
    for manifest in (
        image_of(config),
        image_of(config, layer, layer),
        image_of(config, layers=[elsewhere | {"urls": ["https://example.com/layer"]}]),
        image_of(config, artifactType="text/plain", config=descriptor(config, "application/vnd.oci.empty.v1+json")),
        image_of(config, layers=[descriptor(layer) | {"data": "bGF5ZXI="}]),
        image_of(config, annotations={f"a{number}": "x" * 10_000 for number in range(390)}),
        written({"schemaVersion": 2, "config": descriptor(config), "layers": []}, media.MANIFEST),
        written(
            {"schemaVersion": 2, "mediaType": media.DOCKER_MANIFEST, "config": descriptor(config), "layers": []},
            media.DOCKER_MANIFEST,
        ),
        written({"schemaVersion": 2, "mediaType": media.DOCKER_INDEX, "manifests": []}, media.DOCKER_INDEX),
        parent,
        index_of(),
        index_of(artifactType="text/plain", manifests=[descriptor(parent.digest, media.INDEX)]),
        index_of(manifests=[descriptor(layer, media.LAYER)]),
    ):
        assert ask.push(manifest).status == 201, manifest.data[:300]
        assert ask.push(manifest, "kind").status == 201
        found = ask("GET", "manifests/kind")
        assert (found.body, found.headers["Content-Type"]) == (manifest.data, manifest.media_type)


def test_what_is_not_all_here_is_refused(ask: Asking) -> None:
    config = ask.blob(b"{}")
    for manifest in (image_of(NOTHING), image_of(config, NOTHING), index_of(NOTHING), index_of(config)):
        refused = ask.push(manifest, "v1")
        assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
        assert ask("HEAD", f"manifests/{manifest.digest}").status == 404
    assert ask("HEAD", "manifests/v1").status == 404


def test_a_part_of_another_repository_is_not_here(ask: Asking, host: str) -> None:
    other = Asking(host, "other")
    manifest = other.image()
    other.close()
    assert ask.push(manifest).status == 404


IMAGE = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": descriptor(sha256(b"{}")), "layers": []}


NO_MANIFESTS = [
    b"",
    b"no json",
    b"[]",
    b'"text"',
    b"{}",
    b"\xff\xfe",
    b'{"schemaVersion": 2, "annotations": {"a": "\\ud800"}}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"schemaVersion": NaN}',
    b'{"schemaVersion": ' + b"9" * 10_000 + b"}",
]
WRONG: list[dict[str, object]] = [
    {"schemaVersion": 1},
    {"schemaVersion": "2"},
    {"mediaType": media.INDEX},
    {"mediaType": 5},
    {"config": None},
    {"config": {}},
    {"config": descriptor(Digest("sha256:short"))},
    {"config": descriptor(Digest("sha256:../../../../etc/passwd"))},
    {"layers": {}},
    {"layers": [None]},
    {"subject": {"mediaType": media.MANIFEST, "digest": "sha256:short", "size": 1}},
    {"annotations": {"a": 1}},
]


def test_what_is_no_manifest_is_refused(ask: Asking) -> None:
    ask.blob(b"{}")
    for data in (*NO_MANIFESTS, *(json.dumps(IMAGE | wrong).encode() for wrong in WRONG)):
        for reference in ("v1", sha256(data)):
            refused = ask("PUT", f"manifests/{reference}", data, Content_Type=media.MANIFEST)
            assert (refused.status, refused.code) == (400, "MANIFEST_INVALID"), data[:200]
    assert ask("GET", "tags/list").json["tags"] == []


def test_a_kind_that_is_none(ask: Asking) -> None:
    manifest = image_of(ask.blob(b"{}"))
    for kind in ("application/json", "text/html", "", media.INDEX):
        refused = ask.push(Manifest(manifest.digest, kind, manifest.data))
        assert refused.status == (400 if kind else 201)
    refused = ask("PUT", "manifests/v1", b'{"schemaVersion": 2}', Content_Type="text/html")
    assert refused.code == "MANIFEST_INVALID"


def test_the_digest_must_be_that_of_the_body(ask: Asking) -> None:
    manifest = image_of(ask.blob(b"{}"))
    for reference in (manifest.digest, sha512(manifest.data), "sha256:short", f"sha256:{'A' * 64}", "md5:0"):
        refused = ask("PUT", f"manifests/{reference}", manifest.data + b"  ", Content_Type=media.MANIFEST)
        assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    for tag in ("-v1", ".v1", "v" * 129, "%00", "v%2B1"):
        refused = ask.push(manifest, tag)
        assert (refused.status, refused.code) == (400, "TAG_INVALID")
    assert ask.push(manifest, "v" * 128).status == 201


@pytest.mark.parametrize("is_told", [True, False])
def test_a_manifest_that_is_too_large(ask: Asking, is_told: bool) -> None:
    data = b" " * (4 << 20) + b"{}"
    body = data if is_told else (data[at : at + (1 << 16)] for at in range(0, len(data), 1 << 16))
    refused = ask("PUT", "manifests/v1", body, Content_Type=media.MANIFEST)
    assert (refused.status, refused.code) == (413, "SIZE_INVALID")


def test_a_tag_is_deleted_without_its_manifest(ask: Asking) -> None:
    manifest = ask.image(tag="v1")
    ask.push(manifest, "v2")
    assert ask("GET", "manifests/v1").status == 200
    assert ask("DELETE", "manifests/v1").status == 202
    assert ask("HEAD", "manifests/v1").status == 404
    assert ask("DELETE", "manifests/v1").code == "MANIFEST_UNKNOWN"
    assert ask("GET", "tags/list").json["tags"] == ["v2"]
    assert ask("GET", f"manifests/{manifest.digest}").status == 200


def test_a_manifest_is_deleted_with_its_tags(ask: Asking) -> None:
    manifest, other = ask.image(tag="v1"), ask.image("other", tag="v3")
    ask.push(manifest, "v2")
    assert ask("GET", f"manifests/{manifest.digest}").status == 200
    assert ask("DELETE", f"manifests/{manifest.digest}").status == 202
    for reference in (manifest.digest, "v1", "v2"):
        assert ask("HEAD", f"manifests/{reference}").status == 404
        assert ask("DELETE", f"manifests/{reference}").status == 404
    assert ask("GET", "tags/list").json["tags"] == ["v3"]
    assert ask("GET", f"manifests/{other.digest}").body == other.data
    blobs = [part["digest"] for part in (json.loads(manifest.data)["config"], *json.loads(manifest.data)["layers"])]
    for blob in blobs:
        assert ask("DELETE", f"blobs/{blob}").status == 202
    assert ask("DELETE", "manifests/sha256:short").code == "DIGEST_INVALID"
