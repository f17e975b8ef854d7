"""One contract for all buckets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.cache.bucket import Bucket, Folder, Memory

BUCKETS: dict[str, Callable[[Path], Bucket]] = {"folder": Folder, "memory": lambda _: Memory()}


@pytest.fixture(params=BUCKETS)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return BUCKETS[request.param](tmp_path / "bucket")


def test_what_was_put_is_there(bucket: Bucket) -> None:
    bucket.put("builds/a", b"one")
    bucket.put("builds/a", b"two")
    assert bucket.get("builds/a") == b"two"


def test_what_was_not_put_is_none(bucket: Bucket) -> None:
    bucket.put("builds/a", b"")
    assert bucket.get("builds/b") is None
    assert bucket.get("builds/a/below") is None
    assert bucket.get("builds/a") == b""


def test_listing_is_sorted_and_by_prefix(bucket: Bucket) -> None:
    for name in ("trees/z", "builds/b", "builds/a", "builds/c/d"):
        bucket.put(name, name.encode())
    assert [item.name for item in bucket.list()] == ["builds/a", "builds/b", "builds/c/d", "trees/z"]
    assert [(item.name, item.size) for item in bucket.list("builds/c")] == [("builds/c/d", 10)]


def test_deleting_is_idempotent(bucket: Bucket) -> None:
    bucket.put("builds/a", b"x")
    bucket.delete("builds/a")
    bucket.delete("builds/a")
    assert bucket.get("builds/a") is None
    assert not list(bucket.list())


def test_staging_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "1-abc").write_bytes(b"half")
    assert not list(Folder(tmp_path).list())
