"""The archive is the one that Go writes, other programs read it, and files that change meanwhile are detected."""

import errno
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.layers.go import Program, tar_by
from tests.layers.trees import Tree, entries, on_disk, trees

from lamella.layers import tar
from lamella.layers.blocks import BLOCK
from lamella.layers.tar import TarError
from lamella.layers.tree import merge
from lamella.package import Entry, Kind, order
from lamella.sources.tree import walk


def written(found: Iterator[Entry]) -> bytes:
    out = bytearray()
    tar.write(found, out.extend)
    return bytes(out)


@given(trees(b"/r"))
def test_the_archive_is_the_one_go_writes(go_headers: Program, tree: Tree) -> None:
    given = [(entry, tree[entry.path].data if entry.kind is Kind.FILE else b"") for entry in entries(tree)]
    assert written(entries(tree)) == tar_by(go_headers, given)


@settings(max_examples=40)
@given(trees(b"/r"))
def test_files_on_disk_give_the_same_bytes_as_files_in_memory(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert written(on_disk(tree, b"/r", Path(folder))) == written(entries(tree))


@given(trees(b"/r"))
def test_python_reads_back_what_was_written(tree: Tree) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(entries(tree))), mode="r:") as archive:
        members = archive.getmembers()
        read = [
            (
                os.fsencode(member.name),
                member.type[0],
                member.mode,
                (member.uid, member.gid, member.uname, member.gname, member.mtime),
                archive.extractfile(member).read() if member.isfile() else os.fsencode(member.linkname),  # type: ignore[union-attr] # a file has data
            )
            for member in members
        ]
    owner = (0, 0, "root", "root", 1)
    assert read == [(p, int(n.kind), n.mode, owner, n.data) for p, n in sorted(tree.items(), key=lambda i: order(i[0]))]


@settings(max_examples=15)
@given(trees(b"r"))
def test_gnu_tar_restores_the_tree(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["tar", "-x", "-p", "-C", folder, "--no-same-owner", "--delay-directory-restore"]
        subprocess.run(command, input=written(entries(tree)), check=True)
        again = merge([walk(os.fsencode(folder) + b"/r", b"r")])
        assert written(again) == written(entries(tree))


@given(trees(b"/r"))
def test_the_size_is_known_from_metadata(tree: Tree) -> None:
    assert tar.size(entry._replace(content=None) for entry in entries(tree)) == len(written(entries(tree)))


@pytest.mark.parametrize(
    "size", [0, 1, BLOCK - 2048, BLOCK - 1536, BLOCK - 512, BLOCK, BLOCK + 1, 3 * BLOCK - 1536, 3 * BLOCK + 7]
)
@pytest.mark.parametrize("local", [True, False])
def test_blocks_are_full_but_for_the_last(tmp_path: Path, size: int, local: bool) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    content = os.fsencode(tmp_path / "file") if local else (lambda: io.BytesIO(data))
    blocks: list[bytes] = []
    tar.write(iter([Entry(b"file", Kind.FILE, 0o644, size, b"", content)]), lambda block: blocks.append(bytes(block)))
    whole = b"".join(blocks)
    assert {len(block) for block in blocks[:-1]} <= {BLOCK}
    assert 0 < len(blocks[-1]) <= BLOCK
    assert whole[512 : 512 + size] == data
    assert len(whole) == tar.size([Entry(b"file", Kind.FILE, 0o644, size)])


SIZES = [1, 600, 1024, 70_000, BLOCK + 512, 3 * BLOCK]


def listed(path: Path) -> Entry:
    """The file as a walk saw it, before it changed."""
    return next(walk(os.fsencode(path), b"/f"))


CHANGES: dict[str, Callable[[Path, int], object]] = {
    "grown": lambda path, size: os.truncate(path, size + 1),
    "shrunk": lambda path, size: os.truncate(path, size - 1),
    "emptied": lambda path, size: os.truncate(path, 0),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_is_named(tmp_path: Path, size: int, change: str) -> None:
    path = tmp_path / "file\n"
    path.write_bytes(b"x" * size)
    entry = listed(path)
    CHANGES[change](path, size)
    with pytest.raises(TarError, match=r"file\\n changed while it was read"):
        written(iter([entry]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("more", [-1, 1])
def test_content_of_another_length_is_named(size: int, more: int) -> None:
    entry = Entry(b"/from/afar", Kind.FILE, 0o644, size, b"", lambda: io.BytesIO(bytes(size + more)))
    with pytest.raises(TarError, match="/from/afar changed while it was read"):
        written(iter([entry]))


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_vanished_is_named(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    entry = listed(path)
    path.unlink()
    with pytest.raises(TarError, match="file cannot be read: No such file"):
        written(iter([entry]))


@pytest.mark.parametrize("size", SIZES)
def test_a_file_that_became_something_else_is_named_without_waiting_for_it(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    entry = listed(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(TarError, match="file"):
        written(iter([entry]))
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(TarError, match="file cannot be read"):
        written(iter([entry]))


@pytest.mark.parametrize("size", SIZES)
def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    entry = listed(path)
    monkeypatch.setattr(os, "open", _fails(errno.EACCES))  # root may read everything
    with pytest.raises(TarError, match="file cannot be read: Permission denied"):
        written(iter([entry]))


def _fails(number: int) -> Callable[..., io.BytesIO]:
    def opened(*_: object) -> io.BytesIO:
        raise OSError(number, os.strerror(number))

    return opened


def test_content_that_cannot_be_opened_is_named() -> None:
    entry = Entry(b"/from/afar", Kind.FILE, 0o644, 5, b"", _fails(errno.EIO))
    with pytest.raises(TarError, match="/from/afar cannot be read: Input/output error"):
        written(iter([entry]))


def test_an_entry_without_content_is_named() -> None:
    with pytest.raises(TarError, match="/nowhere has no content"):
        written(iter([Entry(b"/nowhere", Kind.FILE, 0o644, 5)]))


@pytest.mark.parametrize("size", [600, 3 * BLOCK])
def test_a_full_disk_is_not_blamed_on_the_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        tar.write(iter([listed(path)]), full)


def test_no_file_stays_open_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * BLOCK))
    entry = listed(path)
    os.truncate(path, 2 * BLOCK)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(TarError):
            written(iter([entry]))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_odd_files(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(5 << 20)
    (tmp_path / "one").write_bytes(b"hard")
    os.link(tmp_path / "one", tmp_path / "two")
    (tmp_path / "setuid").write_bytes(b"")
    (tmp_path / "setuid").chmod(0o6755)
    with tarfile.open(fileobj=io.BytesIO(written(walk(os.fsencode(tmp_path), b"/t")))) as archive:
        found = {member.name: member for member in archive.getmembers()}
        assert all(found[f"/t/{name}"].isfile() for name in ("sparse", "one", "two", "setuid"))
        assert found["/t/sparse"].size == 5 << 20
        assert found["/t/setuid"].mode == 0o6755
        two = archive.extractfile("/t/two")
        assert two
        assert two.read() == b"hard"


def test_a_path_of_4000_bytes(go_headers: Program, tmp_path: Path) -> None:
    length = 4050 - len(os.fsencode(tmp_path))
    parts = [b"%03d" % number + b"n" * 196 for number in range(length // 200)] + [b"x" * (length % 200)]
    deep = tmp_path / os.fsdecode(b"/".join(parts))
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"deep")
    found = list(walk(os.fsencode(tmp_path), b"/t"))
    assert len(found[-1].path) > 3800
    assert written(iter(found)) == tar_by(go_headers, [(e, b"deep" if e.size else b"") for e in found])


def test_umask_and_locale_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "grün").write_bytes(b"x" * 10)
    (folder / "Zebra").write_bytes(b"y" * 10)
    (folder / os.fsdecode(b"\xff")).mkdir()
    code = (
        "import sys, hashlib; from lamella.layers import tar; from lamella.sources.tree import walk\n"
        "h = hashlib.sha256(); tar.write(walk(sys.argv[1].encode(), b'/t'), h.update); print(h.hexdigest())"
    )
    expected = hashlib.sha256(written(walk(os.fsencode(folder), b"/t"))).hexdigest()
    source = Path(__file__).parents[2] / "src"
    for mask, locale in ((0o077, "C"), (0o000, "POSIX"), (0o022, "C.UTF-8")):
        ran = subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            env={"LC_ALL": locale, "PYTHONPATH": str(source), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            umask=mask,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.strip() == expected
