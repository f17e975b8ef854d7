"""A remote file that is read in parts, starting with its table of contents. In zip archives that is the end."""

from lamella.transport.errors import TransportError
from lamella.transport.fetch import Fetcher

_AROUND = 128 << 10


class WholeOnlyError(TransportError):
    """A file cannot be read in parts."""


class RemoteFile:
    """The file at an address. The part that was read first, its end or its start, is kept."""

    def __init__(self, fetcher: Fetcher, url: str, *, from_start: bool = False) -> None:
        self._fetcher = fetcher
        self._url = url
        found = fetcher.part(url, _AROUND, 0 if from_start else None)
        if found is None:
            raise WholeOnlyError("the server gives only whole files")
        self._kept, self._size = found
        self._at = 0 if from_start else self._size - len(self._kept)

    def size(self) -> int:
        """The file's length."""
        return self._size

    def read_at(self, count: int, at: int) -> bytes:
        """The `count` bytes from `at`; fewer only at the end of the file."""
        count = min(count, self._size - at)
        if count <= 0:
            return b""
        if self._at <= at and at + count <= self._at + len(self._kept):
            return self._kept[at - self._at : at - self._at + count]
        found = self._fetcher.part(self._url, count, at)
        if found is None or len(found[0]) != count:
            raise TransportError("the server gives other parts of a file than were requested")
        return found[0]
