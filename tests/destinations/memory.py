"""A destination in memory: the contract, and nothing else."""

import hashlib
from typing import Self

from lamella.destinations.destination import put_staged
from lamella.oci.digest import Digest, DigestError, encoded
from lamella.oci.image import Body, Buffer
from lamella.oci.wire import Descriptor


class Memory:
    keeps_whole = False

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.tags: dict[str, Descriptor] = {}

    def has(self, blob: Descriptor) -> bool:
        return len(self.blobs.get(blob.digest, b"")) == blob.size

    def stage(self) -> "Stage":
        return Stage(self)

    def put(self, blob: Descriptor, body: Body) -> bool:
        return put_staged(self, blob, body)

    def tag(self, name: str, root: Descriptor, _data: bytes) -> None:
        self.tags[name] = root


class Stage:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._data = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._data.clear()

    def write(self, block: Buffer, /) -> None:
        self._data += block

    def commit(self, digest: Digest, size: int) -> None:
        if (hashlib.sha256(self._data).hexdigest(), len(self._data)) != (encoded(digest), size):
            raise DigestError(f"what was written is not {digest}")
        self._memory.blobs[digest] = bytes(self._data)
