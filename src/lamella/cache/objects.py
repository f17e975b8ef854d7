"""A bucket in an object store: S3, GCS or Azure, through obstore.

Large items are spooled to a local folder, so that they are checked before others see a byte of them, and so that a
failed request can be sent again. Reads resume where a connection broke.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lamella.cache.bucket import Item, MissingError, SharedBucket, StagedItem
from lamella.cache.folder import Folder
from lamella.oci.image import Buffer
from lamella.staging import StagedFile, StorageError
from lamella.transport import objects
from lamella.transport.connections import shown

if TYPE_CHECKING:
    from obstore import GetOptions, UpdateVersion
    from obstore.store import AzureStore, GCSStore, S3Store

_BLOCK = 1 << 18
_TRIES = 5
_LARGEST_COPY = 5 << 30
"""The largest object that S3 copies in one request."""

T = TypeVar("T")


def bucket_at(address: str, environment: Mapping[str, str], spool: Path) -> SharedBucket:
    """The bucket at `address`: a folder, or `s3://`, `gs://` or `az://`; `spool` holds what is on its way there."""
    if not objects.is_address(address):
        if "://" in address:
            known = "s3://BUCKET, gs://BUCKET or az://CONTAINER"
            raise StorageError(f"{shown(address)} is not the address of a bucket; use a folder, {known}")
        return Folder(Path(address))
    store, prefix = objects.store_at(address, environment)
    return Objects(store, prefix, spool)


class Objects:
    """A bucket in an object store, where names start with `prefix`."""

    def __init__(self, store: "S3Store | GCSStore | AzureStore", prefix: str, spool: Path) -> None:
        self._store = store
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._spool = spool

    def get(self, name: str) -> bytes | None:
        with contextlib.suppress(MissingError):
            return b"".join(self.read(name))
        return None

    def put(self, name: str, data: bytes) -> None:
        from obstore import put

        self._ask(name, lambda at: put(self._store, at, data))

    def list(self, prefix: str = "") -> Iterator[Item]:
        from obstore import list as listed

        folder = (self._prefix + prefix).rpartition("/")[0]

        def items(_: str) -> list[Item]:
            pages = listed(self._store, folder or None)
            return [
                Item(one["path"].removeprefix(self._prefix), one["size"], one["last_modified"].timestamp())
                for page in pages
                for one in page
            ]

        for item in sorted(self._ask(prefix, items), key=lambda item: item.name):
            if item.name.startswith(prefix):
                yield item

    def delete(self, name: str) -> None:
        from obstore import delete

        with contextlib.suppress(MissingError):
            self._ask(name, lambda at: delete(self._store, at))

    def create(self, name: str, data: bytes) -> bool:
        from obstore import put
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            self._ask(name, lambda at: put(self._store, at, data, mode="create"))
        except (AlreadyExistsError, PreconditionError):
            return self.get(name) == data  # the answer was lost, and the item is ours
        return True

    def swap(self, name: str, before: bytes, after: bytes) -> bool:
        from obstore import get, put
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            found = self._ask(name, lambda at: get(self._store, at))
            if bytes(found.bytes()) != before:
                return False
            mode: UpdateVersion = {"e_tag": found.meta["e_tag"]}
            if found.meta["version"]:
                mode["version"] = found.meta["version"]
            self._ask(name, lambda at: put(self._store, at, after, mode=mode))
        except MissingError:
            return False
        except (AlreadyExistsError, PreconditionError):
            return self.get(name) == after
        return True

    def find(self, name: str) -> Item | None:
        from obstore import head

        try:
            told = self._ask(name, lambda at: head(self._store, at))
        except MissingError:
            return None
        return Item(name, told["size"], told["last_modified"].timestamp())

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        from obstore import get

        tries, at = 0, start
        while True:
            left = None if count is None else start + count - at
            if left == 0:
                return
            found = self._ask(name, partial(get, self._store, options=_part(at, left)))
            try:
                for block in found.stream(_BLOCK):
                    at += len(block)
                    yield memoryview(block)
                return
            except Exception as error:
                tries += 1
                if tries == _TRIES or not _is_theirs(error):
                    raise

    def stage(self) -> StagedItem:
        return _Spooled(self, self._spool)

    def upload(self, name: str, file: Path) -> None:
        """Store a local file as `name`."""
        from obstore import put

        self._ask(name, lambda at: put(self._store, at, file))

    def move(self, name: str, to: str) -> None:
        from obstore import copy

        item = self.find(name)
        if item is None:
            raise MissingError(f"{name} does not exist")
        if item.size < _LARGEST_COPY:
            self._ask(name, lambda at: copy(self._store, at, self._prefix + to))
        else:
            with self.stage() as staging:
                for block in self.read(name):
                    staging.write(block)
                staging.commit(to)
        self.delete(name)

    def file(self, _name: str) -> Path | None:
        return None

    def signed(self, name: str, valid: timedelta) -> str | None:
        from obstore import sign

        return self._ask(name, lambda at: sign(self._store, "GET", at, valid))

    def _ask(self, name: str, request: Callable[[str], T]) -> T:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            return request(self._prefix + name)
        except FileNotFoundError as error:
            raise MissingError(f"{name} is not in the bucket") from error
        except (AlreadyExistsError, PreconditionError):
            raise
        except Exception as error:
            if not _is_theirs(error):
                raise
            raise StorageError(f"the bucket failed at {name}: {' '.join(str(error).split())[:300]}") from error


def _part(start: int, count: int | None) -> "GetOptions":
    if count is None:
        return {"range": {"offset": start}} if start else {}
    return {"range": (start, start + count)}


def _is_theirs(error: Exception) -> bool:
    return type(error).__module__.startswith("obstore")


class _Spooled(StagedFile):
    """An item that is written locally before it is uploaded."""

    def __init__(self, bucket: Objects, spool: Path) -> None:
        super().__init__(spool)
        self._bucket = bucket

    def commit(self, name: str) -> None:
        """Store what was written."""
        self._bucket.upload(name, self.path)
