"""Local copies of remote items: never too many, and never wrong."""

import os
from pathlib import Path

import pytest
from tests.buckets import Memory

from lamella.cache.copies import Copies
from lamella.oci.digest import encoded, sha256


def stored(bucket: Memory, data: bytes) -> str:
    name = f"layers/{encoded(sha256(data))}"
    bucket.put(name, data)
    return name


def whole(copies: Copies, name: str) -> bytes:
    return b"".join(copies.read(name))


def test_what_was_read_whole_is_here(tmp_path: Path) -> None:
    bucket = Memory()
    name = stored(bucket, b"data")
    copies = Copies(bucket, tmp_path, 100)
    assert copies.file(name) is None
    assert whole(copies, name) == b"data"
    file = copies.file(name)
    assert file is not None
    assert file.read_bytes() == b"data"


@pytest.mark.parametrize(("start", "count"), [(1, None), (0, 2), (1, 2)])
def test_a_part_is_not_taken_for_the_whole(tmp_path: Path, start: int, count: int | None) -> None:
    bucket = Memory()
    name = stored(bucket, b"data")
    copies = Copies(bucket, tmp_path, 100)
    assert b"".join(copies.read(name, start, count)) == b"data"[start : start + (count or 4)]
    assert copies.file(name) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_who_stops_reading_leaves_nothing(tmp_path: Path) -> None:
    bucket = Memory()
    name = stored(bucket, b"data")
    copies = Copies(bucket, tmp_path, 100)
    reading = copies.read(name)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert copies.file(name) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_damage_is_not_kept(tmp_path: Path) -> None:
    bucket = Memory()
    name = stored(bucket, b"data")
    bucket.put(name, b"dada")
    copies = Copies(bucket, tmp_path, 100)
    assert whole(copies, name) == b"dada"
    assert copies.file(name) is None


def test_other_items_are_not_copied(tmp_path: Path) -> None:
    bucket = Memory()
    bucket.put("jobs/a", b"data")
    copies = Copies(bucket, tmp_path, 100)
    assert whole(copies, "jobs/a") == b"data"
    assert copies.file("jobs/a") is None


def test_what_was_not_read_for_the_longest_goes_first(tmp_path: Path) -> None:
    bucket = Memory()
    names = [stored(bucket, bytes([number]) * 20) for number in range(5)]
    copies = Copies(bucket, tmp_path, 80)
    for age, name in enumerate(names[:4]):
        whole(copies, name)
        file = copies.file(name)
        assert file
        os.utime(file, (1000 + age, 1000 + age))
    assert copies.file(names[0])  # that is a use, too
    whole(copies, names[4])
    assert [copies.file(name) is not None for name in names] == [True, False, True, True, True]


def test_the_room_is_kept_over_a_restart(tmp_path: Path) -> None:
    bucket = Memory()
    names = [stored(bucket, bytes([number]) * 20) for number in range(8)]
    for name in names:
        whole(Copies(bucket, tmp_path, 80), name)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 80


def test_what_would_drive_out_all_else_is_not_copied(tmp_path: Path) -> None:
    bucket = Memory()
    name = stored(bucket, b"x" * 21)
    copies = Copies(bucket, tmp_path, 80)
    assert b"".join(copies.read(name, 0, 21)) == b"x" * 21
    assert copies.file(name) is None


def test_what_is_deleted_has_no_copy(tmp_path: Path) -> None:
    bucket = Memory()
    name = stored(bucket, b"data")
    copies = Copies(bucket, tmp_path, 100)
    whole(copies, name)
    copies.delete(name)
    assert copies.file(name) is None


def test_a_disk_that_is_full_is_no_reason_not_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    bucket = Memory()
    name = stored(bucket, b"data")
    copies = Copies(bucket, tmp_path, 100)
    monkeypatch.setattr("lamella.cache.copies.write_all", full)
    assert whole(copies, name) == b"data"
    assert copies.file(name) is None
