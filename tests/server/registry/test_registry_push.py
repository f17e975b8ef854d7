"""Blobs are pushed in every possible way."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.buckets import Memory
from tests.server.registry.asking import BYTES, Answer, Asking
from tests.server.running import open_registry, running

from lamella.cache.bucket import SharedBucket
from lamella.cache.folder import Folder
from lamella.oci.digest import Digest, sha256
from lamella.server.registry.registry import Largest

DATA = os.urandom(300_000)
PARTS = (DATA[:100_000], DATA[100_000:200_001], DATA[200_001:])


def sha512(data: bytes) -> Digest:
    return Digest(f"sha512:{hashlib.sha512(data).hexdigest()}")


def at_once(ask: Asking, data: bytes, digest: Digest) -> Answer:
    return ask("POST", f"blobs/uploads/?digest={digest}", data, Content_Type=BYTES)


def then_put(ask: Asking, data: bytes, digest: Digest) -> Answer:
    return ask("PUT", f"{ask.begin()}?digest={digest}", data, Content_Type=BYTES)


def streamed(ask: Asking, data: bytes, digest: Digest) -> Answer:
    """Yield a body of unknown length."""
    sent = ask("PATCH", ask.begin(), iter([data[:1000], data[1000:]]) if data else None, Content_Type=BYTES)
    assert sent.status == 202
    return ask("PUT", f"{sent.location}?digest={digest}")


def in_chunks(ask: Asking, data: bytes, digest: Digest) -> Answer:
    where, at = ask.begin(), 0
    for part in (data[:1000], data[1000:2000], data[2000:]):
        if part:
            sent = ask("PATCH", where, part, Content_Type=BYTES, Content_Range=f"{at}-{at + len(part) - 1}")
            at += len(part)
            assert (sent.status, sent.headers["Range"]) == (202, f"0-{at - 1}")
            where = sent.location
    return ask("PUT", f"{where}?digest={digest}")


def in_chunks_and_put(ask: Asking, data: bytes, digest: Digest) -> Answer:
    where, half = ask.begin(), len(data) // 2
    if half:
        where = ask("PATCH", where, data[:half], Content_Range=f"0-{half - 1}").location
    told = {"Content_Range": f"{half}-{len(data) - 1}"} if data else {}
    return ask("PUT", f"{where}?digest={digest}", data[half:], **told)


WAYS = [at_once, then_put, streamed, in_chunks, in_chunks_and_put]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [sha256, sha512])
def test_every_way_makes_the_blob(
    ask: Asking, way: Callable[[Asking, bytes, Digest], Answer], kind: Callable[[bytes], Digest]
) -> None:
    for data in (DATA, b"{}", b""):
        digest = kind(data)
        made = way(ask, data, digest)
        assert (made.status, made.location) == (201, f"/v2/team/app/blobs/{digest}")
        assert made.headers["Docker-Content-Digest"] == digest
        assert ask("GET", made.location).body == data
        assert ask("HEAD", made.location).headers["Content-Length"] == str(len(data))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_something_else_is_refused(ask: Asking, way: Callable[[Asking, bytes, Digest], Answer]) -> None:
    for digest in (sha256(b"another"), sha512(b"another")):
        refused = way(ask, DATA, digest)
        assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
        assert ask("GET", f"blobs/{digest}").status == 404
    assert way(ask, DATA, sha256(DATA)).status == 201


def test_nothing_is_left_of_uploads_that_ended(ask: Asking, bucket: SharedBucket) -> None:
    for way in WAYS:
        way(ask, DATA, sha256(DATA))
        way(ask, DATA, sha256(b"another"))
    ask("DELETE", ask.begin())
    assert [item.name for item in bucket.list("uploads/")] == []
    assert [item.name for item in bucket.list("layers/")] == [f"layers/{sha256(DATA)[7:]}"]


def test_how_much_has_arrived(ask: Asking) -> None:
    where = ask.begin()
    for part, told in ((b"", "0-0"), (PARTS[0], "0-99999"), (PARTS[1], "0-200000")):
        if part:
            assert ask("PATCH", where, part).status == 202
        status = ask("GET", where)
        assert (status.status, status.body, status.headers["Range"]) == (204, b"", told)
        assert status.location == where


def test_chunks_that_do_not_go_on(ask: Asking) -> None:
    where = ask.begin()
    assert ask("PATCH", where, PARTS[1], Content_Range="100000-200000").status == 416
    assert ask("PATCH", where, PARTS[0], Content_Range="0-99999").status == 202
    for at in (0, 99_999, 100_001):
        refused = ask("PATCH", where, PARTS[1], Content_Range=f"{at}-{at + len(PARTS[1]) - 1}")
        assert (refused.status, refused.code) == (416, "BLOB_UPLOAD_INVALID")
        assert (refused.location, refused.headers["Range"]) == (where, "0-99999")
    refused = ask("PUT", f"{where}?digest={sha256(DATA)}", PARTS[2], Content_Range="200001-299999")
    assert refused.status == 416
    assert ask("PATCH", where, PARTS[1], Content_Range="100000-200000").status == 202
    assert ask("PUT", f"{where}?digest={sha256(DATA)}", PARTS[2], Content_Range="200001-299999").status == 201


def test_a_range_is_written_as_one(ask: Asking) -> None:
    where = ask.begin()
    for told in ("x", "5", "0-", "9-0", "bytes */5", "-1-5"):
        refused = ask("PATCH", where, b"hello", Content_Range=told)
        assert (refused.status, refused.code) == (400, "BLOB_UPLOAD_INVALID")


def test_a_chunk_is_as_long_as_it_says(ask: Asking) -> None:
    where = ask.begin()
    for body in (b"hello", iter([b"hel", b"lo"])):
        refused = ask("PATCH", where, body, Content_Range="0-9")
        assert (refused.status, refused.code) == (400, "SIZE_INVALID")
        assert ask("GET", where).headers["Range"] == "0-0"
    assert ask("PATCH", where, b"hello", Content_Range="0-4").status == 202
    assert ask("PUT", f"{where}?digest={sha256(b'hello')}").status == 201


def test_chunks_together_are_no_larger_than_a_blob_may_be(bucket: SharedBucket) -> None:
    with running(lambda: open_registry(bucket, largest=Largest(blob=2000))) as host, closing(Asking(host)) as ask:
        where = ask("PATCH", ask.begin(), DATA[:1500]).location
        refused = ask("PATCH", where, DATA[1500:2001])
        assert (refused.status, refused.code) == (413, "SIZE_INVALID")
        assert ask("PUT", f"{where}?digest={sha256(DATA[:2000])}", DATA[1500:2000]).status == 201


def test_an_upload_that_is_cancelled_is_gone(ask: Asking) -> None:
    where = ask.begin()
    ask("PATCH", where, PARTS[0])
    assert ask("DELETE", where).status == 204
    for method, query in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("PUT", f"?digest={sha256(DATA)}")):
        gone = ask(method, where + query, b"")
        assert gone.status == 404
        assert gone.code == "BLOB_UPLOAD_UNKNOWN"


def test_an_upload_belongs_to_its_repository(ask: Asking) -> None:
    name = ask.begin().rpartition("/")[2]
    assert ask("GET", f"/v2/other/blobs/uploads/{name}").status == 404
    assert ask("GET", f"blobs/uploads/{'0' * 32}").code == "BLOB_UPLOAD_UNKNOWN"
    assert ask("GET", "blobs/uploads/..").status == 404
    assert ask("GET", f"blobs/uploads/{name}").status == 204


def test_an_upload_ends_with_a_digest(ask: Asking) -> None:
    where = ask.begin()
    for query in ("", "?digest=", "?digest=sha256:short", "?digest=md5:d41d8cd98f00b204e9800998ecf8427e"):
        refused = ask("PUT", where + query, b"")
        assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    assert ask("PUT", f"{where}?digest={sha256(b'')}").status == 201


def test_the_hash_can_be_said_first(ask: Asking, bucket: SharedBucket) -> None:
    begun = ask("POST", "blobs/uploads/?digest-algorithm=sha512")
    ask("PATCH", begun.location, DATA)
    assert ask("PUT", f"{begun.location}?digest={sha512(DATA)}").status == 201
    assert ask("POST", "blobs/uploads/?digest-algorithm=md5").status == 400


def restarts(bucket: SharedBucket, times: int) -> Iterator[Asking]:
    """Start a new server on the same bucket each time."""
    for _ in range(times):
        with running(lambda: open_registry(bucket)) as host:
            ask = Asking(host)
            yield ask
            ask.close()


def test_an_upload_goes_on_after_a_restart(bucket: SharedBucket) -> None:
    where, at = "", 0
    for ask, part in zip(restarts(bucket, 4), (b"", *PARTS), strict=True):
        where = where or ask.begin()
        told = ask("GET", where).headers["Range"]
        assert told == f"0-{max(0, at - 1)}"
        if part:
            assert ask("PATCH", where, part, Content_Range=f"{at}-{at + len(part) - 1}").status == 202
            at += len(part)
    for ask in restarts(bucket, 1):
        assert ask("PUT", f"{where}?digest={sha256(DATA)}").status == 201
    for ask in restarts(bucket, 1):
        assert ask("GET", f"blobs/{sha256(DATA)}").body == DATA


def test_two_servers_take_turns(bucket: SharedBucket) -> None:
    with running(lambda: open_registry(bucket)) as one, running(lambda: open_registry(bucket)) as other:
        first, second = Asking(one), Asking(other)
        where = first.begin()
        for ask, part in ((second, PARTS[0]), (first, PARTS[1]), (second, PARTS[2])):
            assert ask("PATCH", where, part).status == 202
        assert first("PUT", f"{where}?digest={sha256(DATA)}").status == 201
        assert second("GET", f"blobs/{sha256(DATA)}").body == DATA
        first.close()
        second.close()


def test_a_blob_is_mounted(ask: Asking) -> None:
    digest = ask.blob(DATA)
    for query in (f"mount={digest}&from=team/app", f"mount={digest}&from=team%2Fapp", f"from=team/app&mount={digest}"):
        other = f"other/{len(query)}"
        made = ask("POST", f"/v2/{other}/blobs/uploads/?{query}")
        assert (made.status, made.location) == (201, f"/v2/{other}/blobs/{digest}")
        assert ask("GET", made.location).body == DATA


def test_what_cannot_be_mounted_is_uploaded(ask: Asking) -> None:
    digest = ask.blob(DATA)
    nothing = sha256(b"nothing")
    for query in (
        f"mount={nothing}",
        f"mount={nothing}&from=team/app",
        f"mount={digest}&from=no/one",
        f"mount={digest}",
    ):
        begun = ask("POST", f"/v2/other/blobs/uploads/?{query}")
        assert begun.status == 202
        assert begun.location.startswith("/v2/other/blobs/uploads/")
    assert ask("PUT", f"{begun.location}?digest={digest}", DATA).status == 201
    assert ask("POST", "blobs/uploads/?mount=sha256:short").code == "DIGEST_INVALID"
    assert ask("POST", f"blobs/uploads/?mount={digest}&from=../..").code == "NAME_INVALID"


def test_a_blob_that_is_deleted_is_gone_here_only(ask: Asking) -> None:
    digest = ask.blob(DATA)
    assert ask("POST", f"/v2/other/blobs/uploads/?mount={digest}&from=team/app").status == 201
    assert ask("GET", f"blobs/{digest}").status == 200
    assert ask("DELETE", f"blobs/{digest}").status == 202
    assert ask("HEAD", f"blobs/{digest}").status == 404
    again = ask("DELETE", f"blobs/{digest}")
    assert (again.status, again.code) == (404, "BLOB_UNKNOWN")
    assert ask("GET", f"/v2/other/blobs/{digest}").body == DATA
    assert ask.blob(DATA) == digest
    assert ask("GET", f"blobs/{digest}").body == DATA


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_large_blob_goes_through(kind: str, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 40
    bucket = Memory() if kind == "memory" else Folder(tmp_path)
    for ask in restarts(bucket, 1):
        digest = ask.blob(data)
        assert ask("GET", f"blobs/{digest}").body == data
        assert ask("GET", f"blobs/{digest}", Range="bytes=1048575-31457280").body == data[1_048_575:31_457_281]
