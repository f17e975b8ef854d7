"""One contract for all buckets."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lamella.cache.bucket import MissingError, SharedBucket
from lamella.cache.folder import Folder
from lamella.cache.objects import bucket_at
from lamella.staging import StorageError

LARGE = os.urandom(13_000_000)
Use = Callable[[], object]


def test_what_was_put_is_there(bucket: SharedBucket) -> None:
    bucket.put("builds/a", b"one")
    bucket.put("builds/a", b"two")
    assert bucket.get("builds/a") == b"two"


def test_what_was_not_put_is_none(bucket: SharedBucket) -> None:
    bucket.put("builds/a", b"")
    assert bucket.get("builds/b") is None
    assert bucket.get("builds/a/below") is None
    assert bucket.get("builds/a") == b""


def test_listing_is_sorted_and_by_prefix(bucket: SharedBucket) -> None:
    for name in ("trees/z", "builds/b", "builds/a", "builds/c/d"):
        bucket.put(name, name.encode())
    assert [item.name for item in bucket.list()] == ["builds/a", "builds/b", "builds/c/d", "trees/z"]
    assert [(item.name, item.size) for item in bucket.list("builds/c")] == [("builds/c/d", 10)]


def test_deleting_is_idempotent(bucket: SharedBucket) -> None:
    bucket.put("builds/a", b"x")
    bucket.delete("builds/a")
    bucket.delete("builds/a")
    assert bucket.get("builds/a") is None
    assert not list(bucket.list())


def test_staging_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "1-abc").write_bytes(b"half")
    assert not list(Folder(tmp_path).list())


@pytest.mark.parametrize("name", ["../evil", "images/../../evil", "/tmp/lamella-evil", "images/..", "a\0b"])
def test_no_item_of_a_folder_lies_outside_of_it(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path / "root")
    folder.put("a", b"")
    staged = folder.stage()
    uses: list[Use] = [
        lambda: folder.put(name, b""),
        lambda: folder.get(name),
        lambda: folder.create(name, b""),
        lambda: folder.delete(name),
        lambda: folder.find(name),
        lambda: folder.file(name),
        lambda: list(folder.read(name)),
        lambda: list(folder.list(f"{name}/")),
        lambda: folder.move("a", name),
        lambda: folder.move(name, "b"),
        lambda: staged.commit(name),
    ]
    with staged:
        for use in uses:
            with pytest.raises(StorageError, match="leads out of it"):
                use()
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_one_of_several_creates(bucket: SharedBucket) -> None:
    assert bucket.create("jobs/a", b"one")
    assert not bucket.create("jobs/a", b"two")
    assert bucket.get("jobs/a") == b"one"


def test_a_swap_needs_what_was_there(bucket: SharedBucket) -> None:
    assert not bucket.swap("jobs/a", b"", b"x")
    bucket.create("jobs/a", b"one")
    assert not bucket.swap("jobs/a", b"two", b"three")
    assert bucket.swap("jobs/a", b"one", b"two")
    assert bucket.get("jobs/a") == b"two"


def test_one_of_many_swaps(bucket: SharedBucket) -> None:
    bucket.create("jobs/a", b"0")
    won: list[int] = []
    start = threading.Barrier(8)

    def swap(number: int) -> None:
        start.wait()
        if bucket.swap("jobs/a", b"0", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=swap, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in won] == [bucket.get("jobs/a")]


def test_an_item_is_found_with_its_size(bucket: SharedBucket) -> None:
    bucket.put("layers/a", b"12345")
    found = bucket.find("layers/a")
    assert found is not None
    assert (found.name, found.size) == ("layers/a", 5)
    assert bucket.find("layers") is None
    assert bucket.find("layers/b") is None


@pytest.mark.parametrize(("start", "count"), [(0, None), (5_000_000, None), (7, 9_000_000), (3, 0)])
def test_a_large_item_is_staged_and_read_in_parts(bucket: SharedBucket, start: int, count: int | None) -> None:
    with bucket.stage() as staging:
        view = memoryview(LARGE)
        for at in range(0, len(LARGE), 1 << 20):
            staging.write(view[at : at + (1 << 20)])
        assert bucket.find("layers/large") is None
        staging.commit("layers/large")
    end = len(LARGE) if count is None else start + count
    assert b"".join(bucket.read("layers/large", start, count)) == LARGE[start:end]


def test_what_is_staged_and_not_committed_is_gone(bucket: SharedBucket) -> None:
    with bucket.stage() as staging:
        staging.write(b"half")
    assert not list(bucket.list())


def test_a_moved_item_has_one_name(bucket: SharedBucket) -> None:
    bucket.put("uploads/a", b"x")
    bucket.move("uploads/a", "layers/b")
    assert [item.name for item in bucket.list()] == ["layers/b"]
    with pytest.raises(MissingError):
        bucket.move("uploads/a", "layers/c")


def test_what_is_missing_cannot_be_read(bucket: SharedBucket) -> None:
    with pytest.raises(MissingError, match="layers/none"):
        b"".join(bucket.read("layers/none"))


def test_a_mistyped_scheme_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="gcs://team/images is not the address of a bucket; use a folder, s3://"):
        bucket_at("gcs://team/images", {}, tmp_path)
