"""Finds the Debian package with a library: by the names that such packages have, and by their lists of files."""

import re
from collections.abc import Iterator, Mapping, Sequence

from lamella.errors import LamellaError
from lamella.oci.wire import Platform
from lamella.pipeline.lock.debs import control_of, texts_of
from lamella.pipeline.outside import Outside
from lamella.pipeline.packages.debian import Asking
from lamella.sources.debian.archives import address
from lamella.transport.downloads import Wanted

_FIELD = re.compile(r"^(Filename|SHA256|Size): (\S+)$", re.MULTILINE)


def holders(
    names: Mapping[str, Sequence[str]], archives: Sequence[str], platform: Platform, outside: Outside | None
) -> dict[str, str] | None:
    """Return for each library the package with it, out of those with these `names`; None if no archive can be asked."""
    if outside is None:
        return None
    try:
        there = dict(_stanzas({name for some in names.values() for name in some}, archives, platform, outside))
        found: dict[str, str] = {}
        for library, some in names.items():
            holder = next((name for name in some if name in there and _holds(there[name], library, outside)), "")
            found |= {library: holder} if holder else {}
    except LamellaError:  # the check goes on without archives
        return None
    return found


def _stanzas(
    names: set[str], archives: Sequence[str], platform: Platform, outside: Outside
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The entries of packages with these names in the indexes, each with its archive."""
    asked = Asking((), (), tuple(archives), "")
    wanted = re.compile(
        rf"^Package: ({'|'.join(map(re.escape, sorted(names)))})$.*?(?=^$|\Z)", re.MULTILINE | re.DOTALL
    )
    for uri, text in texts_of(asked, platform, outside):
        for match in wanted.finditer(text):
            yield match[1], (uri, match[0])


def _holds(told: tuple[str, str], library: str, outside: Outside) -> bool:
    uri, stanza = told
    fields = dict(_FIELD.findall(stanza))
    file = Wanted(fields["Filename"].rpartition("/")[2], fields["SHA256"], int(fields["Size"]))
    documents = control_of(address(uri, fields["Filename"]), file, outside)
    files = documents.get("md5sums", b"").decode("utf-8", "replace").splitlines()
    return any(line.rpartition("/")[2].startswith(library) for line in files)
