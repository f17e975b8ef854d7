"""Records that several machines share, with a local copy."""

from collections.abc import Iterator

from lamella.cache.bucket import Bucket, Item

SHARED = "builds/"
"""What is worth sharing: the records of layers. Everything else is about one machine."""


class Nearby:
    """A local bucket; records of layers are also read from and written to a shared one."""

    def __init__(self, hand: Bucket, shared: Bucket) -> None:
        self._hand = hand
        self._shared = shared

    def get(self, name: str) -> bytes | None:
        found = self._hand.get(name)
        if found is None and name.startswith(SHARED):
            found = self._shared.get(name)
            if found is not None:
                self._hand.put(name, found)
        return found

    def put(self, name: str, data: bytes) -> None:
        self._hand.put(name, data)
        if name.startswith(SHARED):
            self._shared.put(name, data)

    def list(self, prefix: str = "") -> Iterator[Item]:
        return self._hand.list(prefix)

    def delete(self, name: str) -> None:
        self._hand.delete(name)
        if name.startswith(SHARED):
            self._shared.delete(name)
