"""A wheel's entries are what pip makes of it, and a hostile one gives none."""

import csv
import io
import os
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.wheels import SCHEME, hash_of, make_wheel, package_of, wheel_files, zipped

from lamella.layers.tree import merge
from lamella.oci.digest import sha256
from lamella.package import Entry, order
from lamella.sources.python import wheel
from lamella.sources.python import zipped as archives
from lamella.sources.python.recipe import content_of
from lamella.sources.python.scheme import Scheme
from lamella.sources.python.zipped import WheelError

SITE = "/usr/local/lib/python3.12/site-packages"
SCRIPTS = "[console_scripts]\ndemo = demo.main:run\nDemo-Two = demo:a.b [extra]\n\n[gui_scripts]\nwindow = demo:show\n"
LARGE = os.urandom(3_000_001)
FULL = {
    "demo/__init__.py": b"",
    "demo/main.py": b"def run(): print('hello')\n",
    "demo/large.bin": LARGE,
    "demo/zeros.bin": bytes(2_500_001),
    "demo-1.0.data/scripts/tool": b"#!python -u\nprint('tool')\n",
    "demo-1.0.data/scripts/shell": b"#!/bin/sh\necho shell\n",
    "demo-1.0.data/data/share/demo/thing.txt": b"thing\n",
    "demo-1.0.data/headers/demo.h": b"int demo;\n",
    "demo-1.0.data/purelib/more.py": b"more = 1\n",
    "demo-1.0.data/platlib/most.py": b"most = 1\n",
}


def entries(path: Path) -> dict[str, Entry]:
    found = list(wheel.entries(package_of(path)))
    assert [entry.path for entry in found] == sorted((entry.path for entry in found), key=order)
    list(merge([iter(found)]))
    return {entry.path.decode(): entry for entry in found}


def data_of(entry: Entry) -> bytes:
    assert callable(entry.content)
    with entry.content() as file:
        data = b"".join(iter(lambda: file.read(100_000), b""))
    assert len(data) == entry.size
    return data


def test_everything_is_at_its_place(tmp_path: Path) -> None:
    found = entries(make_wheel(tmp_path, files=FULL, scripts=SCRIPTS))
    info = f"{SITE}/demo-1.0.dist-info"
    assert set(found) == {
        *(f"{SITE}/{name}" for name in ("demo/__init__.py", "demo/main.py", "demo/large.bin", "demo/zeros.bin")),
        *(f"{SITE}/{name}" for name in ("more.py", "most.py")),
        *(f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "INSTALLER", "entry_points.txt")),
        *(f"/usr/local/bin/{name}" for name in ("tool", "shell", "demo", "Demo-Two", "window")),
        "/usr/local/share/demo/thing.txt",
        "/usr/local/include/python3.12/demo/demo.h",
    }
    assert data_of(found[f"{SITE}/demo/large.bin"]) == LARGE
    assert data_of(found[f"{SITE}/demo/zeros.bin"]) == bytes(2_500_001)
    assert data_of(found["/usr/local/bin/tool"]) == b"#!/usr/local/bin/python3.12\nprint('tool')\n"
    assert data_of(found["/usr/local/bin/shell"]) == b"#!/bin/sh\necho shell\n"
    assert b"from demo import a\n" in data_of(found["/usr/local/bin/Demo-Two"])
    assert data_of(found["/usr/local/bin/Demo-Two"]).endswith(b"sys.exit(a.b())\n")
    assert {entry.mode for path, entry in found.items() if "/bin/" in path} == {0o755}
    assert found[f"{SITE}/more.py"].mode == 0o644


def test_the_record_is_of_what_lies_there(tmp_path: Path) -> None:
    found = entries(make_wheel(tmp_path, files=FULL, scripts=SCRIPTS))
    record = f"{SITE}/demo-1.0.dist-info/RECORD"
    rows = list(csv.reader(io.StringIO(data_of(found[record]).decode())))
    told = {os.path.normpath(f"{SITE}/{path}"): (hashed, size) for path, hashed, size in rows}
    assert told.pop(record) == ("", "")
    assert told == {path: (hash_of(data_of(entry)), str(entry.size)) for path, entry in found.items() if path != record}


def test_pip_installs_the_same(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, files=FULL, scripts=SCRIPTS)
    how = ["--no-deps", "--no-index", "--no-compile", "--ignore-installed", "--no-warn-script-location"]
    to = ["--root", str(tmp_path / "root"), "--prefix", "/usr/local"]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *how, *to, path], check=True, umask=0o022)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    theirs = {}
    for file in (tmp_path / "root").rglob("*"):
        if file.is_file():
            name = "/" + file.relative_to(tmp_path / "root").as_posix().replace(version, "python3.12")
            theirs[name.replace("/include/site/", "/include/")] = file
    ours = entries(path)
    assert set(theirs) - set(ours) == {f"{SITE}/demo-1.0.dist-info/{name}" for name in ("REQUESTED", "direct_url.json")}
    assert set(ours) <= set(theirs)
    for name, entry in ours.items():
        assert stat.S_IMODE(theirs[name].stat().st_mode) == entry.mode
        if "/bin/" not in name and not name.endswith(("/RECORD", "/INSTALLER")):
            assert theirs[name].read_bytes() == data_of(entry)


def test_the_scheme_is_part_of_the_content() -> None:
    archive = sha256(b"a wheel")
    other = Scheme(version="3.11", prefix="/usr", packages="/usr/lib", interpreter="/usr/bin/python3")
    assert content_of(archive, SCHEME) != content_of(archive, other)
    assert content_of(archive, SCHEME) != content_of(sha256(b"another"), SCHEME)


def everything(path: Path) -> dict[str, bytes]:
    return {name: data_of(entry) for name, entry in entries(path).items()}


def refused(path: Path) -> str:
    with pytest.raises(WheelError) as raised:
        everything(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "demo/../../evil", "demo//evil", "demo/./evil", "a\\..\\evil", "demo/.."]
)
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    files = wheel_files("demo", "1.0", {name: b"evil"})
    assert "which may lead out of it" in refused(zipped(tmp_path / "demo.whl", files))


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644, stat.S_IFSOCK])
def test_what_is_no_plain_file(tmp_path: Path, mode: int) -> None:
    files = wheel_files("demo", "1.0", {"demo/link": b"/etc/passwd"})
    assert "'demo/link', which is not a plain file" in refused(zipped(tmp_path / "d.whl", files, {"demo/link": mode}))


def test_names_that_differ_in_case_only(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, files={"demo/A.py": b"1", "demo/a.py": b"2"})
    assert "'demo/A.py' and 'demo/a.py', which are the same file on some systems" in refused(path)


def test_names_twice(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("demo/__init__.py", b"other")
    assert "contains 'demo/__init__.py' twice" in refused(path)


def test_two_members_at_one_place(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, files={"demo/a.py": b"1", "demo-1.0.data/purelib/demo/a.py": b"2"})
    assert f"puts two files at {SITE}/demo/a.py" in refused(path)


@pytest.mark.parametrize("name", ["demo-1.0.data/where/x", "demo-1.0.data/x", "demo-1.0.data/scripts/"])
def test_data_that_goes_nowhere(tmp_path: Path, name: str) -> None:
    path = make_wheel(tmp_path, files={name.rstrip("/"): b"x"})
    assert "which has no place in an image" in refused(path)


@pytest.mark.parametrize("line", ["x/../../y = a:b", "good = no reference", ". = a:b", "x = os:system('rm')", "a = b"])
def test_scripts_that_cannot_be(tmp_path: Path, line: str) -> None:
    assert "cannot call" in refused(make_wheel(tmp_path, scripts=f"[console_scripts]\n{line}\n"))


def test_entry_points_that_cannot_be_read(tmp_path: Path) -> None:
    assert "entry_points.txt cannot be read" in refused(make_wheel(tmp_path, scripts="no section"))


@pytest.mark.parametrize("record", [b"demo/a.py,\rb,1\n", b"x" * 131_073 + b",,\n"])
def test_records_that_cannot_be_read(tmp_path: Path, record: bytes) -> None:
    files = {**wheel_files("demo", "1.0", {}), "demo-1.0.dist-info/RECORD": record}
    assert "its RECORD cannot be read" in refused(zipped(tmp_path / "demo.whl", files))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_wheel(tmp_path, files={f"demo/{i}": bytes(1_000_001) for i in range(20)})
    entries(path)
    monkeypatch.setattr(archives, "_LARGE", 1 << 20)
    assert "claims to unpack from" in refused(path)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 50)
    path = make_wheel(tmp_path, files={f"demo/{i}": b"" for i in range(60)})
    assert "files; the limit is 50" in refused(path)


def test_members_that_share_bytes(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, files={"demo/a": os.urandom(100_000), "demo/b": b""})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"demo/b") - 46
    other = data.index(b"demo/a", data.index(b"PK\x01\x02")) - 46
    data[at + 20 : at + 28] = data[other + 20 : other + 28]
    path.write_bytes(data)
    assert "do not trust it" in refused(path)


def test_sizes_that_lie(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, files={"demo/a": b"a" * 1001})
    data = path.read_bytes()
    for wrong in (1000, 1002, 2_000_000_000):
        path.write_bytes(data.replace(struct.pack("<I", 1001), struct.pack("<I", wrong)))
        assert refused(path)


@pytest.mark.parametrize("part", range(20))
def test_damage_is_found(tmp_path: Path, part: int) -> None:
    """One byte wrong anywhere is an error, or changes nothing: no other bytes come out."""
    path = make_wheel(tmp_path, files=FULL, scripts=SCRIPTS)
    good = everything(path)
    data = bytearray(path.read_bytes())
    at = len(data) * part // 20 + 7
    data[at] ^= 0x55
    path.write_bytes(data)
    try:
        found = everything(path)
    except WheelError:
        return
    assert found == good


@pytest.mark.parametrize("part", range(10))
def test_cut_short(tmp_path: Path, part: int) -> None:
    path = make_wheel(tmp_path, files=FULL)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * part // 10])
    assert "damaged, or not a zip archive" in refused(path)


def test_what_is_no_wheel(tmp_path: Path) -> None:
    assert "has 0 .dist-info folders instead of one" in refused(zipped(tmp_path / "a.whl", {"a.py": b""}))
    two = {**wheel_files("demo", "1.0", {}), **wheel_files("demo", "2.0", {})}
    assert "has 2 .dist-info folders instead of one" in refused(zipped(tmp_path / "b.whl", two))
    old = wheel_files("demo", "1.0", {})
    old["demo-1.0.dist-info/WHEEL"] = b"Wheel-Version: 2.0\n"
    assert "not a wheel of version 1" in refused(zipped(tmp_path / "c.whl", old))


def test_a_wheel_that_is_gone(tmp_path: Path) -> None:
    package = package_of(make_wheel(tmp_path))
    Path(package.path).unlink()
    with pytest.raises(WheelError, match="cannot be read: No such file"):
        list(wheel.entries(package))
