"""Trees of this machine's file system, walked as entries.

The walk is lazy: a folder is listed when its turn comes, and of each open folder only the names still to be visited
are held. Each file costs one `lstat`; none is opened here.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator

from lamella.errors import LamellaError, shown
from lamella.package import Entry, Kind

_REFUSED = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_LINK_MODE = 0o777
_TOP = b"/"


class SourceError(LamellaError):
    """What a package is made of does not exist, cannot be read, or cannot be in an image."""

    exit_code = 3


def walk(root: bytes, at: bytes, ignore: str = "") -> Iterator[Entry]:
    """The file, link or folder `root` and everything below it, as entries at `at` in the image.

    Depth first, the children of a folder sorted by bytes; modes are the permission bits with setuid, setgid and
    sticky, and 0777 for links. A folder at `/` has no mode, because all packages share the root of an image.
    Paths below `at` that contain a match of `ignore` are left out, with everything below them.
    """
    top = _entry(root, at)
    if at != _TOP:
        yield top
    elif top.kind is not Kind.DIRECTORY:
        raise SourceError(f"{shown(root)} is not a folder, which the root of an image must be; give a place in it")
    if top.kind is Kind.DIRECTORY:
        matches = _ignored(ignore) if ignore else None
        yield from _below(root.rstrip(b"/") + b"/", at.rstrip(b"/") + b"/", matches)


def _below(root: bytes, at: bytes, ignored: Callable[[bytes], object] | None) -> Iterator[Entry]:
    """Both places end in a slash. Open folders wait on a stack, so there is no limit to the depth."""
    waiting = [(root, at, _names(root))]
    while waiting:
        root, at, names = waiting[-1]
        if not names:
            waiting.pop()
            continue
        name = names.pop()
        path = at + name
        if ignored and ignored(path):
            continue
        entry = _entry(root + name, path)
        yield entry
        if entry.kind is Kind.DIRECTORY:
            root += name + b"/"
            waiting.append((root, path + b"/", _names(root)))


def _ignored(regex: str) -> Callable[[bytes], object]:
    try:
        return re.compile(os.fsencode(regex)).search
    except re.error as error:
        raise SourceError(f"the ignore rule {regex!r} is not a regular expression: {error}") from error


def _names(folder: bytes) -> list[bytes]:
    """The names in `folder`, in reverse order."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    names.sort(reverse=True)
    return names


def _entry(local: bytes, path: bytes) -> Entry:
    try:
        found = os.lstat(local)
        mode = found.st_mode
        kind = stat.S_IFMT(mode)
        if kind == stat.S_IFREG:
            return Entry(path, Kind.FILE, mode & 0o7777, found.st_size, b"", local)
        if kind == stat.S_IFDIR:
            return Entry(path, Kind.DIRECTORY, mode & 0o7777)
        if kind == stat.S_IFLNK:
            return Entry(path, Kind.SYMLINK, _LINK_MODE, 0, os.readlink(local))
    except OSError as error:
        raise _unreadable(local, error) from error
    refused = _REFUSED.get(kind, "of an unknown kind")
    raise SourceError(
        f"{shown(local)} is {refused}, and only files, folders and symbolic links can be in an image; "
        "remove it, or leave it out with an ignore rule"
    )


def _unreadable(path: bytes, error: OSError) -> SourceError:
    return SourceError(f"cannot read {shown(path)}: {error.strerror}")
