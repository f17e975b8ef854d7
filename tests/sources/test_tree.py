"""A walk gives every file once, in order, reads nothing ahead, and refuses what no image can hold."""

import os
import re
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from lamella.errors import LamellaError, shown
from lamella.package import Entry, Kind, order
from lamella.sources.tree import SourceError, walk


def paths(root: Path, at: bytes = b"/t", ignore: str = "") -> list[bytes]:
    return [entry.path for entry in walk(os.fsencode(root), at, ignore)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/x", "a/y/z", "a.b", "b", "ü"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("a/x")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "to-folder").symlink_to("a")
    return tmp_path


def test_a_folder_comes_before_what_it_holds_and_names_are_sorted_by_bytes(tree: Path) -> None:
    names = ["", "/a", "/a/x", "/a/y", "/a/y/z", "/a.b", "/b", "/broken", "/link", "/to-folder", "/ü"]
    assert paths(tree) == [b"/t" + name.encode() for name in names]
    assert paths(tree) == sorted(paths(tree), key=order)


def test_entries_tell_what_one_lstat_tells(tree: Path) -> None:
    (tree / "a").chmod(0o3751)
    (tree / "b").chmod(0o4755)
    found = {entry.path: entry for entry in walk(os.fsencode(tree), b"/t")}
    assert found[b"/t/a"] == Entry(b"/t/a", Kind.DIRECTORY, 0o3751)
    assert found[b"/t/b"] == Entry(b"/t/b", Kind.FILE, 0o4755, 1, b"", os.fsencode(tree / "b"))
    assert found[b"/t/link"] == Entry(b"/t/link", Kind.SYMLINK, 0o777, 0, b"a/x")
    assert found[b"/t/broken"].target == b"nowhere"


def test_the_root_may_be_a_file_or_a_link(tree: Path) -> None:
    assert [entry[:2] for entry in walk(os.fsencode(tree / "b"), b"/etc/b")] == [(b"/etc/b", Kind.FILE)]
    assert [entry[:2] for entry in walk(os.fsencode(tree / "to-folder"), b"/f")] == [(b"/f", Kind.SYMLINK)]


def test_a_folder_may_lie_at_the_root_of_the_image(tree: Path) -> None:
    assert paths(tree, b"/")[:2] == [b"/a", b"/a/x"]  # and leaves the root's own mode alone
    with pytest.raises(SourceError, match="not a folder"):
        paths(tree / "b", b"/")


def test_a_slash_at_the_end_changes_no_path(tree: Path) -> None:
    assert [entry.content for entry in walk(os.fsencode(tree) + b"/", b"/t") if entry.content] == [
        entry.content for entry in walk(os.fsencode(tree), b"/t") if entry.content
    ]


def test_what_is_ignored_is_not_even_looked_at(tree: Path) -> None:
    os.mkfifo(tree / "a" / "y" / "pipe")
    assert paths(tree, ignore="/y$|^/t/b") == [
        b"/t" + n.encode() for n in ("", "/a", "/a/x", "/a.b", "/link", "/to-folder", "/ü")
    ]
    assert paths(tree, b"/", "^/a$")[0] == b"/a.b"
    assert paths(tree, ignore="/(t|y)$")[0] == b"/t"


def test_nothing_is_read_before_its_turn(tree: Path) -> None:
    found = walk(os.fsencode(tree), b"/t")
    for _ in range(3):
        entry = next(found)
    assert entry.path == b"/t/a/x"
    (tree / "a" / "y" / "late").write_text("")
    assert b"/t/a/y/late" in [entry.path for entry in found]


def test_deep_trees_need_no_deep_stack(tmp_path: Path) -> None:
    depth = 1500
    deep = tmp_path
    for _ in range(depth):
        deep = deep / "d"
        deep.mkdir()
    try:
        assert len(paths(tmp_path)) == depth + 1
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # Python would recurse into it


def test_a_path_that_the_system_cannot_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(20):
        Path("d" * 250).mkdir()
        monkeypatch.chdir("d" * 250)
    with pytest.raises(SourceError, match=r"cannot read .*ddd.*: File name too long"):
        paths(tmp_path)


def test_an_invalid_ignore_rule_is_named(tree: Path) -> None:
    with pytest.raises(SourceError, match=r"the ignore rule '\(' is not"):
        paths(tree, ignore="(")


def _special(path: Path, kind: str) -> None:
    if kind == "a named pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))


@pytest.mark.parametrize("kind", ["a named pipe", "a socket"])
def test_what_no_image_can_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    _special(Path("special"), kind)
    with pytest.raises(SourceError, match=f"special is {kind}, and only files, folders and symbolic links"):
        paths(tmp_path)


def test_devices_are_refused() -> None:
    with pytest.raises(SourceError, match="/dev/null is a character device"):
        paths(Path("/dev/null"))


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=re.escape(f"cannot read {tmp_path}/gone: No such file")):
        paths(tmp_path / "gone")


def test_a_folder_that_cannot_be_read_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: bytes) -> list[bytes]:
        if path.rstrip(b"/").endswith(b"y"):
            raise PermissionError(13, "Permission denied")
        return names(path)

    names = os.listdir
    monkeypatch.setattr(os, "listdir", refuse)  # root may read everything
    with pytest.raises(SourceError, match=r"cannot read .*/a/y/?: Permission denied"):
        paths(tree)


def test_names_that_are_no_text_are_walked_and_shown_on_one_line(tmp_path: Path) -> None:
    name = b"\xff\n\x1b[31m " + "ü".encode()
    os.mkfifo(os.fsencode(tmp_path) + b"/" + name)
    with pytest.raises(SourceError) as caught:
        paths(tmp_path)
    assert "\\xff\\n\\x1b[31m ü is a named pipe" in str(caught.value)
    assert issubclass(SourceError, LamellaError)
    assert shown(b"\xe2\x80\xa8") == "\\u2028"
    assert stat.S_ISFIFO(os.lstat(os.fsencode(tmp_path) + b"/" + name).st_mode)
