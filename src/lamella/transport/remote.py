"""A file that lies elsewhere, read in parts. Its end comes first: that is where zip archives say what they hold."""

from lamella.transport.errors import TransportError
from lamella.transport.fetch import Fetcher

_TAIL = 128 << 10


class WholeOnlyError(TransportError):
    """A file cannot be had in parts."""


class RemoteBytes:
    """The file at an address. What was read of its end is kept."""

    def __init__(self, fetcher: Fetcher, url: str) -> None:
        self._fetcher = fetcher
        self._url = url
        found = fetcher.part(url, _TAIL)
        if found is None:
            raise WholeOnlyError("a server gives whole files only")
        self._tail, self._size = found
        self._at = self._size - len(self._tail)

    def size(self) -> int:
        """The file's length."""
        return self._size

    def read_at(self, count: int, at: int) -> bytes:
        """The `count` bytes from `at`; fewer only where they end."""
        count = min(count, self._size - at)
        if count <= 0:
            return b""
        if at >= self._at:
            return self._tail[at - self._at : at - self._at + count]
        found = self._fetcher.part(self._url, count, at)
        if found is None or len(found[0]) != count:
            raise TransportError("a server gives other parts of a file than those it was asked for")
        return found[0]
