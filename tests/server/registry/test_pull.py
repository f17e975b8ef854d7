"""Blobs, manifests and lists are pulled as the specification says."""

import itertools
import json
import os
import socket
from typing import Any
from urllib.parse import quote

from tests.buckets import Memory
from tests.server.registry.asking import BYTES, Asking, descriptor, image_of, index_of
from tests.server.running import open_registry, running

from lamella.oci import media
from lamella.oci.digest import sha256

DATA = os.urandom(2048)
NOTHING = sha256(b"nothing")


def test_the_root_says_that_it_is_a_registry(ask: Asking) -> None:
    for address in ("/v2/", "/v2"):
        root = ask("GET", address)
        assert (root.status, root.json) == (200, {})
        assert root.headers["Docker-Distribution-API-Version"] == "registry/2.0"


def test_a_blob_comes_back(ask: Asking) -> None:
    digest = ask.blob(DATA)
    whole = ask("GET", f"blobs/{digest}")
    head = ask("HEAD", f"blobs/{digest}")
    assert (whole.status, whole.body) == (200, DATA)
    assert (head.status, head.body) == (200, b"")
    for answer in (whole, head):
        assert answer.headers["Content-Type"] == BYTES
        assert answer.headers["Content-Length"] == "2048"
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_part_of_a_blob(ask: Asking) -> None:
    digest = ask.blob(DATA)
    for wanted, first, last in (
        ("500-1499", 500, 1499),
        ("500-", 500, 2047),
        ("-500", 1548, 2047),
        ("-5000", 0, 2047),
        ("2000-5000", 2000, 2047),
        ("0-0", 0, 0),
    ):
        part = ask("GET", f"blobs/{digest}", Range=f"bytes={wanted}")
        assert (part.status, part.body) == (206, DATA[first : last + 1])
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/2048"
        assert part.headers["Content-Length"] == str(last + 1 - first)


def test_no_such_part(ask: Asking) -> None:
    digest = ask.blob(DATA)
    for wanted in ("2048-", "5000-10000", "500-0", "-0"):
        refused = ask("GET", f"blobs/{digest}", Range=f"bytes={wanted}")
        assert refused.status == 416
        assert refused.headers["Content-Range"] == "bytes */2048"
    assert ask("GET", f"blobs/{digest}").body == DATA


def test_what_is_no_single_part_is_the_whole(ask: Asking) -> None:
    digest = ask.blob(DATA)
    for wanted in ("bytes=0-1,4-5", "bytes=-", "bytes=a-b", "lines=0-1", "", f"bytes={'9' * 40}-"):
        whole = ask("GET", f"blobs/{digest}", Range=wanted)
        assert (whole.status, whole.body) == (200, DATA)


def test_a_part_of_what_the_client_thinks_it_is(ask: Asking) -> None:
    address = f"blobs/{ask.blob(DATA)}"
    tag = ask("HEAD", address).headers["ETag"]
    assert ask("GET", address, Range="bytes=0-9", If_Range=tag).body == DATA[:10]
    assert ask("GET", address, Range="bytes=0-9", If_Range='"another"').body == DATA


def test_what_the_client_has_is_not_sent_again(ask: Asking) -> None:
    addresses = (f"blobs/{ask.blob(DATA)}", f"manifests/{ask.image(tag='v1').digest}", "manifests/v1")
    for method, address in itertools.product(("GET", "HEAD"), addresses):
        tag = ask(method, address).headers["ETag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            same = ask(method, address, If_None_Match=known)
            assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
        assert ask(method, address, If_None_Match='"other"').status == 200


def test_an_empty_blob_says_its_length(ask: Asking, host: str) -> None:
    digest = ask.blob(b"")
    name, port = host.split(":")
    for method in ("GET", "HEAD"):
        with socket.create_connection((name, int(port))) as client:
            request = f"{method} /v2/team/app/blobs/{digest} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            client.sendall(request.encode())
            said = b"".join(iter(lambda: client.recv(1 << 16), b""))
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert head.lower().split(b"\r\n").count(b"content-length: 0") == 1
        assert b"transfer-encoding" not in head.lower()
        assert body == b""


def test_a_blob_of_another_repository_is_not_there(ask: Asking) -> None:
    digest = ask.blob(DATA)
    for method in ("GET", "HEAD"):
        assert ask(method, f"/v2/other/blobs/{digest}").status == 404
        assert ask(method, f"blobs/{NOTHING}").status == 404
    assert ask("GET", f"blobs/{NOTHING}").code == "BLOB_UNKNOWN"


def test_a_manifest_comes_back_as_it_was(ask: Asking) -> None:
    manifest = ask.image(tag="v1")
    for reference in ("v1", manifest.digest):
        for method, body in (("GET", manifest.data), ("HEAD", b"")):
            answer = ask(method, f"manifests/{reference}", Accept=f"{media.INDEX}, {media.MANIFEST}")
            assert (answer.status, answer.body) == (200, body)
            assert answer.headers["Content-Type"] == media.MANIFEST
            assert answer.headers["Content-Length"] == str(len(manifest.data))
            assert answer.headers["Docker-Content-Digest"] == manifest.digest


def test_answers_are_not_compressed(ask: Asking) -> None:
    manifest = ask.image(tag="v1", annotations={"a": "b" * 10_000})
    answer = ask("GET", "manifests/v1", Accept_Encoding="gzip")
    assert (answer.body, answer.headers["Content-Encoding"]) == (manifest.data, None)


def test_manifests_that_are_not_there(ask: Asking) -> None:
    for method in ("GET", "HEAD"):
        for reference in ("v1", NOTHING, ".no-tag", "t" * 129):
            assert ask(method, f"manifests/{reference}").status == 404
        assert ask(method, "manifests/sha256:short").status == 400
    assert ask("GET", "manifests/v1").code == "MANIFEST_UNKNOWN"
    assert ask("GET", "manifests/sha256:short").code == "DIGEST_INVALID"
    assert ask("GET", "blobs/sha256:short").code == "DIGEST_INVALID"


def test_tags_a_page_at_a_time(ask: Asking) -> None:
    tags = ["A", "a", "b", "v1.10", "v1.2", "z"]
    for tag in reversed(tags):
        ask.image(tag=tag)
    assert ask("GET", "tags/list").json == {"name": "team/app", "tags": tags}
    assert ask("GET", "tags/list?last=b").json["tags"] == tags[3:]
    assert ask("GET", "tags/list?last=aa").json["tags"] == tags[2:]
    assert ask("GET", "tags/list?n=0").json["tags"] == []
    found, following = [], "tags/list?n=4"
    while following:
        page = ask("GET", following)
        found.append(page.json["tags"])
        link = page.headers["Link"]
        assert link is None or (link.startswith("</v2/team/app/tags/list?") and link.endswith('>; rel="next"'))
        following = link[1 : link.index(">")] if link else ""
    assert found == [tags[:4], tags[4:]]


def test_a_page_has_a_number(ask: Asking) -> None:
    ask.image(tag="v1")
    for number in ("-1", "x", "1.5", "", "%00"):
        refused = ask("GET", f"tags/list?n={number}")
        assert (refused.status, refused.code) == (400, "PAGINATION_NUMBER_INVALID")


def test_tags_of_nothing(ask: Asking) -> None:
    assert (ask("GET", "tags/list").status, ask("GET", "tags/list").code) == (404, "NAME_UNKNOWN")
    ask.image()
    assert ask("GET", "tags/list").json["tags"] == []


def test_the_catalog_a_page_at_a_time(ask: Asking, host: str) -> None:
    for name in ("b", "a/b", "a"):
        other = Asking(host, name)
        other.image(tag="v1")
        other.close()
    assert ask("GET", "/v2/_catalog").json == {"repositories": ["a", "a/b", "b"]}
    first = ask("GET", "/v2/_catalog?n=2")
    assert first.json == {"repositories": ["a", "a/b"]}
    link = first.headers["Link"]
    assert ask("GET", link[1 : link.index(">")]).json == {"repositories": ["b"]}


def test_referrers(ask: Asking) -> None:
    subject = ask.image(tag="v1")
    about: dict[str, Any] = {"subject": descriptor(subject.digest, media.MANIFEST)}
    signed = ask.image(artifactType="text/signature", annotations={"by": "me"}, **about)
    plain = ask.image("other", **about)
    index = index_of(subject.digest, artifactType="text/list", **about)
    assert ask.push(index).headers["OCI-Subject"] == subject.digest
    assert ask.push(signed, "signature").headers["OCI-Subject"] == subject.digest
    answer = ask("GET", f"referrers/{subject.digest}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, media.INDEX)
    assert {one: answer.json[one] for one in ("schemaVersion", "mediaType")} == {
        "schemaVersion": 2,
        "mediaType": media.INDEX,
    }
    found = {one["digest"]: one for one in answer.json["manifests"]}
    assert len(found) == len(answer.json["manifests"]) == 3
    assert found[signed.digest] == {
        "mediaType": media.MANIFEST,
        "digest": signed.digest,
        "size": len(signed.data),
        "artifactType": "text/signature",
        "annotations": {"by": "me"},
    }
    assert found[plain.digest]["artifactType"] == media.CONFIG
    assert (found[index.digest]["mediaType"], found[index.digest]["artifactType"]) == (media.INDEX, "text/list")
    for kind, one in (("text/signature", signed), (media.CONFIG, plain), ("text/list", index)):
        filtered = ask("GET", f"referrers/{subject.digest}?artifactType={kind.replace('+', '%2B')}")
        assert [each["digest"] for each in filtered.json["manifests"]] == [one.digest]
        assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    assert ask("DELETE", f"manifests/{signed.digest}").status == 202
    left = [one["digest"] for one in ask("GET", f"referrers/{subject.digest}").json["manifests"]]
    assert left == sorted([plain.digest, index.digest])


def test_referrers_a_page_at_a_time(ask: Asking, host: str) -> None:
    subject = ask.image(tag="v1")
    about: dict[str, Any] = {"subject": descriptor(subject.digest, media.MANIFEST)}
    pushed = [
        ask.push(index_of(subject.digest, artifactType=f"text/{n % 2}", annotations={"n": str(n)}, **about))
        for n in range(3)
    ]
    assert {answer.status for answer in pushed} == {201}
    everything = [one["digest"] for one in ask("GET", f"referrers/{subject.digest}").json["manifests"]]
    assert everything == sorted(everything)
    found: dict[str, list[str]] = {}
    for kind in ("", "text/0", "text/1"):
        following = f"referrers/{subject.digest}?n=1&artifactType={quote(kind, safe='')}"
        found[kind] = []
        while following:
            page = ask("GET", following)
            found[kind] += [one["digest"] for one in page.json["manifests"]]
            link = page.headers["Link"]
            following = link[1 : link.index(">")] if link else ""
    assert found[""] == everything
    assert sorted(found["text/0"] + found["text/1"]) == everything


def test_referrers_of_what_is_not_there(ask: Asking) -> None:
    nobody = ask("GET", f"/v2/never/seen/referrers/{NOTHING}")
    assert (nobody.status, nobody.headers["Content-Type"]) == (200, media.INDEX)
    assert nobody.json == {"schemaVersion": 2, "mediaType": media.INDEX, "manifests": []}
    about: dict[str, Any] = {"subject": {"mediaType": media.MANIFEST, "digest": NOTHING, "size": 7}}
    manifest = image_of(ask.blob(b"{}"), **about)
    assert ask.push(manifest).headers["OCI-Subject"] == NOTHING
    assert [one["digest"] for one in ask("GET", f"referrers/{NOTHING}").json["manifests"]] == [manifest.digest]
    assert ask("GET", "referrers/v1").code == "DIGEST_INVALID"


def test_nothing_is_written_where_nothing_may_be() -> None:
    with running(lambda: open_registry(Memory(), writable=False)) as host:
        ask = Asking(host)
        for method, address in (
            ("POST", "blobs/uploads/"),
            ("PATCH", f"blobs/uploads/{'0' * 32}"),
            ("PUT", f"blobs/uploads/{'0' * 32}?digest={NOTHING}"),
            ("PUT", "manifests/v1"),
            ("DELETE", "manifests/v1"),
            ("DELETE", f"blobs/{NOTHING}"),
        ):
            refused = ask(method, address, b"{}")
            assert (refused.status, refused.code) == (405, "UNSUPPORTED")
            assert b"`writable = true`" in refused.body
        assert b"writable" not in ask("POST", "manifests/v1").body
        assert ask("PUT", "manifests/v1", b"{}").headers["Allow"] == "GET, HEAD"
        ask.close()


def test_names_that_cannot_be(ask: Asking) -> None:
    names = ("Team/App", "a//b", "a/../b", "-a", "a" * 256, "a/%2e%2e/b", "a_-b", "%C3%A9")
    addresses = (("GET", "tags/list"), ("POST", "blobs/uploads/"), ("PUT", "manifests/v1"))
    for name, (method, address) in itertools.product(names, addresses):
        refused = ask(method, f"/v2/{name}/{address}", b"")
        assert refused.status in (400, 404)
        assert refused.code in ("NAME_INVALID", "NOT_FOUND")


def test_what_is_no_address_is_not_found(ask: Asking) -> None:
    for address in ("/v2/team/app", "/v2/team/app/", "/v2/team/app/blobs/", "/v2/team/app/tags"):
        refused = ask("GET", address)
        assert (refused.status, refused.code) == (404, "NOT_FOUND")
    assert json.loads(ask("GET", "/v1/").body)["errors"][0]["code"] == "NOT_FOUND"
