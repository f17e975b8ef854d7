"""Places to read and write files by name: a folder, a server that accepts PUT, or an S3 bucket."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lamella.staging import explained, staged_beside
from lamella.transport.connections import shown
from lamella.transport.errors import GoneError, TransportError
from lamella.transport.fetch import Fetcher

S3, FILE = "s3", "file"
KINDS = (FILE, "http", "https", S3)


def below(address: str, name: str) -> str:
    """The address of a file by its name; the part after `?` says how to reach the place, and is only kept for S3."""
    parts = urlsplit(address)
    query = parts.query if parts.scheme == S3 else ""
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}", query=query).geturl()


class Depot:
    """The place at an address. Safe to use from any number of threads."""

    def __init__(self, address: str, fetcher: Fetcher) -> None:
        if urlsplit(address).scheme not in KINDS:
            raise TransportError(
                f"{shown(address)!r} is not a place for files; write file:///FOLDER, http(s)://HOST or s3://BUCKET"
            )
        self.address = address
        self._fetcher = fetcher

    def has(self, name: str) -> bool:
        """Whether a file of that name exists."""
        return self._fetcher.has(below(self.address, name))

    def read(self, name: str) -> bytes | None:
        """Read a small file; None if it does not exist."""
        try:
            return self._fetcher.document(below(self.address, name))
        except GoneError:
            return None

    def write(self, name: str, file: Path, media_type: str) -> None:
        """Write a file, whole or not at all."""
        url = below(self.address, name)
        parts = urlsplit(url)
        if parts.scheme == FILE:
            target = Path(unquote(parts.path))
            with explained(target, "cannot write"):
                target.parent.mkdir(parents=True, exist_ok=True)
            with staged_beside(target) as staged, explained(target, "cannot write"), file.open("rb") as source:
                shutil.copyfileobj(source, staged, 1 << 20)
        else:
            self._fetcher.put(url, file, media_type)
