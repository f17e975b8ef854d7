"""Our layers of these trees have the digests that nix2container gives them."""

import hashlib
import io
from collections.abc import Iterator

import pytest

from lamella.layers import rules, tar, tree
from lamella.package import Entry, Kind, Permission, Rules

FOLDER = b"../data/tar-directory"
FILE = b"../data/layer1/file1"


def folder() -> Iterator[Entry]:
    yield Entry(FOLDER, Kind.DIRECTORY, 0o755)
    yield Entry(FOLDER + b"/file1", Kind.FILE, 0o644, 13, b"", lambda: io.BytesIO(b"content file1"))
    yield Entry(FOLDER + b"/symlink", Kind.SYMLINK, 0o777, 0, b"file1")


def file() -> Iterator[Entry]:
    yield Entry(FILE, Kind.FILE, 0o644)


def file_with_mode() -> Iterator[Entry]:
    return rules.apply(Rules(permissions=(Permission("file1$", mode=0o641),)), file())


@pytest.mark.parametrize(
    ("entries", "size", "digest"),
    [
        (folder(), 4096, "1ea63d00b937dc24c711265b80444cc9e7e63751fb7f349b160be61d31381983"),
        (file(), 3072, "cc45bd46eca903b0900ebb997dffd5778904dca9ec02e7375dd1e653dfb61e2e"),
        (file_with_mode(), 3072, "adf74a52f9e1bcd7dab77193455fa06743b979cf5955148010e5becedba4f72d"),
    ],
)
def test_layers_are_those_of_nix2container(entries: Iterator[Entry], size: int, digest: str) -> None:
    written = bytearray()
    tar.write(tree.merge([entries]), written.extend)
    assert (len(written), hashlib.sha256(written).hexdigest()) == (size, digest)
