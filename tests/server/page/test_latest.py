"""What the pages remember of a bucket is bounded in bytes, however large its items are."""

import pytest
from tests.buckets import Memory

from lamella.server.page import latest
from lamella.server.page.latest import Latest


class Read(Memory):
    """A bucket that notes what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_names: list[str] = []

    def get(self, name: str) -> bytes | None:
        self.read_names.append(name)
        return super().get(name)


def test_large_items_make_room_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "_REMEMBERED", 10_000)
    bucket = Read()
    for name, size in (("a", 6000), ("b", 6000), ("c", 100)):
        bucket.put(name, bytes(size))
    known = Latest(bucket, len)
    for name in ("a", "a", "b", "c", "b", "a"):
        found = known.one(name)
        assert found
        assert found[1] == len(bucket.get(name) or b"")
        bucket.read_names.pop()
    assert bucket.read_names == ["a", "b", "c", "a"]
