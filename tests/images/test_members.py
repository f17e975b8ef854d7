"""Members of archives are found where other writers put them, and hostile archives are refused."""

import contextlib
import io
import os
import random
import tarfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.made import tar_of

from lamella.errors import LamellaError
from lamella.images.members import Members, read_members
from lamella.images.opening import open_file, open_members
from lamella.images.stored import ImageError

PART = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=60
).filter(lambda part: part not in (".", ".."))
NAMES = st.lists(PART, min_size=1, max_size=5).map("/".join)
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
COMMON = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def found(members: Members) -> dict[str, bytes]:
    return {name: b"".join(map(bytes, members.find(name).blocks())) for name in members.entries}


def archive(path: Path, data: bytes) -> Members:
    path.write_bytes(data)
    return read_members(partial(open_file, path), "the archive")


@COMMON
@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5), st.sampled_from(FORMATS))
def test_every_form_of_tar_is_read(tmp_path: Path, files: dict[str, bytes], form: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:
                assert form == tarfile.USTAR_FORMAT
                return
    assert found(archive(tmp_path / "a.tar", out.getvalue())) == files


def with_members(*members: tuple[str, bytes, str]) -> bytes:
    """A tar of members: name, kind, target."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = 4 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"data"))
    return out.getvalue()


FILE, LINK, HARD, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@pytest.mark.parametrize(
    "members",
    [
        [("dir/x", FILE, ""), ("other/link", LINK, "../dir/x")],
        [("dir/x", FILE, ""), ("other/link", HARD, "dir/x")],
        [("dir/x", FILE, ""), ("between", LINK, "dir/x"), ("other/link", LINK, "../between")],
        [("./dir/", FOLDER, ""), ("./dir/x", FILE, ""), ("./other/link", LINK, ".././dir//x")],
        [("other/link", LINK, "../dir/x"), ("dir/x", FILE, "")],
    ],
)
def test_links_are_followed_inside(tmp_path: Path, members: list[tuple[str, bytes, str]]) -> None:
    read = archive(tmp_path / "a.tar", with_members(*members))
    assert b"".join(map(bytes, read.find("other/link").blocks())) == b"data"
    assert read.holds("other/link")
    assert not read.holds("other")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../x", FILE, "")], "leads out of it"),
        ([("a/../../x", FILE, "")], "leads out of it"),
        ([("/etc/passwd", FILE, "")], "leads out of it"),
        ([("..", FOLDER, "")], "leads out of it"),
        ([("x", LINK, "/etc/passwd")], "leads out of it"),
        ([("a/x", LINK, "../../etc/passwd")], "leads out of it"),
        ([("x", HARD, "../etc/passwd")], "leads out of it"),
        ([("x", FILE, ""), ("./x", FILE, "")], "has 'x' twice"),
        ([("x", FILE, ""), ("x", LINK, "y")], "has 'x' twice"),
        ([("n" * 2000, FILE, "")], "a name of 2000 characters"),
    ],
)
def test_what_no_careful_writer_makes_is_refused(
    tmp_path: Path, members: list[tuple[str, bytes, str]], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        archive(tmp_path / "a.tar", with_members(*members))


def test_links_in_a_circle_or_to_nothing(tmp_path: Path) -> None:
    read = archive(tmp_path / "a.tar", with_members(("a", LINK, "b"), ("b", LINK, "a"), ("c", LINK, "d")))
    with pytest.raises(ImageError, match="is a link to itself"):
        read.find("a")
    with pytest.raises(ImageError, match=r"has no 'c' \('d'\)"):
        read.find("c")
    with pytest.raises(ImageError, match=r"has no 'e'$"):
        read.find("e")


def test_a_size_that_lies_is_noticed(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.size = 1 << 40
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with pytest.raises(ImageError, match="'x' is not complete"):
            archive(tmp_path / "a.tar", info.tobuf(form) + bytes(5000))


def test_an_endless_extended_header_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 20
    with pytest.raises(ImageError, match="extended header of 1048576 bytes"):
        archive(tmp_path / "a.tar", info.tobuf(tarfile.USTAR_FORMAT) + bytes(2 << 20))


def test_too_many_members_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamella.images.members._MOST_MEMBERS", 10)
    with pytest.raises(ImageError, match="more than 10 files"):
        archive(tmp_path / "a.tar", tar_of({f"{i}": b"" for i in range(11)}))


@pytest.mark.parametrize(
    "record",
    [b"11 path=x\n", b"8 path=x\n", b"0 path=x\n", b"path=x\n", b"99999999 p=x\n", b"11 size=-1\n"],
)
def test_a_damaged_extended_header_is_one_error(tmp_path: Path, record: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    data = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + with_members(("y", FILE, ""))
    with pytest.raises(ImageError):
        archive(tmp_path / "a.tar", data)


SAMPLE = with_members(
    ("dir/", FOLDER, ""), ("dir/" + "é" * 60, FILE, ""), ("link", LINK, "dir/x" * 30), ("z", FILE, "")
)


@COMMON
@given(st.integers(0, len(SAMPLE) - 1))
def test_a_cut_archive_is_an_error_or_lacks_files(tmp_path: Path, length: int) -> None:
    whole = found(archive(tmp_path / "a.tar", SAMPLE))
    try:
        cut = found(archive(tmp_path / "a.tar", SAMPLE[:length]))
    except LamellaError:
        return
    assert cut.items() <= whole.items()


@settings(COMMON, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=6))
def test_any_damage_is_one_of_our_errors(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for at, value in changes:
        data[at] = value
    for start in range(0, len(data), 512):  # sums made right again, so that the damage gets further than them
        header = data[start : start + 512]
        if header[257:262] == b"ustar":
            data[start + 148 : start + 156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 256)
    with contextlib.suppress(LamellaError):
        found(archive(tmp_path / "a.tar", bytes(data)))


@pytest.mark.parametrize(
    "data",
    [b"x", b"x" * 511, b"x" * 512, random.Random(1).randbytes(5000), b"{}" * 512, b"\0" * 511],
    ids=["short", "nearly a block", "a block", "anything", "a document", "nearly nothing"],
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ImageError, match="not a tar archive"):
        archive(tmp_path / "a.tar", data)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no archive"):
        open_members(tmp_path / "missing")
    with pytest.raises(ImageError, match="is a folder, not an archive"):
        open_members(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="is not a file"):
        open_members(tmp_path / "pipe")
