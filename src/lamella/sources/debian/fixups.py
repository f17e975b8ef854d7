"""The results of maintainers' scripts, as data: no code of a package is ever run.

The tables below are for single packages; the rest is the same for all.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from lamella.package import Entry, Kind
from lamella.sources.debian import authorities

MERGED = re.compile(r"/(bin|sbin|lib|lib32|lib64|libx32|libo32)(?=/|$)")
"""What is in `/usr` on a merged system."""

_STATUS = "/var/lib/dpkg/status.d"

_COPIES: Mapping[str, Mapping[str, str]] = {
    "base-files": {
        "/usr/share/base-files/dot.profile": "/root/.profile",
        "/usr/share/base-files/dot.bashrc": "/root/.bashrc",
        "/usr/share/base-files/profile": "/etc/profile",
        "/usr/share/base-files/motd": "/etc/motd",
    },
    "base-passwd": {
        "/usr/share/base-passwd/passwd.master": "/etc/passwd",
        "/usr/share/base-passwd/group.master": "/etc/group",
    },
    "libc-bin": {"/usr/share/libc-bin/nsswitch.conf": "/etc/nsswitch.conf"},
}
_LINKS: Mapping[str, Mapping[str, str]] = {
    "base-files": {
        "/etc/dpkg/origins/default": "debian",
        "/usr/local/man": "share/man",
        "/var/lock": "/run/lock",
        "/var/run": "/run",
        "/var/spool/mail": "../mail",
    },
}
_FOLDERS: Mapping[str, Mapping[str, int]] = {
    "base-files": {
        **dict.fromkeys(("/etc/opt", "/media", "/mnt", "/opt", "/srv", "/var/opt", "/var/mail"), 0o755),
        **{f"/usr/local/{name}": 0o755 for name in ("bin", "etc", "games", "include", "lib", "sbin", "share", "src")},
        "/run/lock": 0o1777,
    },
}


def all_of(
    name: str, found: Mapping[bytes, Entry], documents: Mapping[str, bytes], links: Sequence[tuple[str, str]]
) -> Iterator[Entry]:
    """What to add to the files `found` in the package `name`, whose control files are `documents`."""
    yield made(f"{_STATUS}/{name}", documents.get("control", b""))
    if "md5sums" in documents:
        yield made(f"{_STATUS}/{name}.md5sums", documents["md5sums"])
    for origin, place in _COPIES.get(name, {}).items():
        if entry := found.get(origin.encode()):
            yield entry._replace(path=place.encode())
    for place, target in (*_LINKS.get(name, {}).items(), *links):
        yield Entry(place.encode(), Kind.SYMLINK, 0o777, target=target.encode())
    for place, mode in _FOLDERS.get(name, {}).items():
        yield Entry(place.encode(), Kind.DIRECTORY, mode)
    if name == "ca-certificates":
        yield from _believed(found)


def made(path: str, data: bytes) -> Entry:
    """A file with these bytes."""
    return Entry(path.encode(), Kind.FILE, 0o644, len(data), content=partial(io.BytesIO, data))


def _believed(found: Mapping[bytes, Entry]) -> Iterator[Entry]:
    """The bundle of certificate authorities, and the links with which OpenSSL finds each of them."""
    texts = {}
    for path, entry in sorted(found.items()):
        if path.startswith(b"/usr/share/ca-certificates/") and path.endswith(b".crt") and callable(entry.content):
            with entry.content() as file:
                texts[path.decode()] = file.read(entry.size)
    yield made("/etc/ssl/certs/ca-certificates.crt", b"".join(text.rstrip() + b"\n" for text in texts.values()))
    names = [path.removeprefix("/usr/share/ca-certificates/") for path in texts]
    yield made("/etc/ca-certificates.conf", "".join(f"{name}\n" for name in names).encode())
    for place, target in authorities.links(texts):
        yield Entry(place.encode(), Kind.SYMLINK, 0o777, target=target.encode())
