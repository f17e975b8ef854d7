"""`lamella check` names what is missing, as a user calls it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command import run
from tests.debs import Repository
from tests.index import Index, serving
from tests.wheels import make_wheel

from lamella.checks import elf
from lamella.checks.libraries import debian_names

SPEC = """
name = "checked"
platforms = ["linux/{machine}"]
pypi = [{wants}]

[python]
version = "3.12"
shared = ["tests/**"]

[[layer]]
name = "python"
files = ["usr"]
"""
SCRIPT = "[console_scripts]\ngood = top:run\nbad = top.nowhere:run\n"
LS = Path("/bin/ls").read_bytes()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    with serving(Index(folder)) as found:
        yield found


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    for place, data in (("lib/python3.12/os.py", b""), ("bin/python3.12", b"#!/bin/sh\n")):
        file = folder / "usr" / "local" / place
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
    return folder


def wanting(work: Path, *names: str) -> None:
    machine = "arm64" if os.uname().machine == "aarch64" else "amd64"
    wants = ", ".join(f'"{name}"' for name in names)
    (work / "lamella.toml").write_text(SPEC.format(wants=wants, machine=machine))


def lamella(folder: Path, index: Index, *args: str) -> subprocess.CompletedProcess[str]:
    uv = {"UV_CACHE_DIR": str(folder.parent / "uv"), "UV_DEFAULT_INDEX": index.url}
    debian = (folder / "archives").read_text() if (folder / "archives").exists() else "file:///nowhere stable main"
    return run(folder, *args, **uv, LAMELLA_DEBIAN=debian)


def problems(work: Path, index: Index, *args: str, code: int = 3) -> list[tuple[str, str]]:
    assert lamella(work, index, "lock", "--upgrade").returncode == 0
    ran = lamella(work, index, "check", "--json", *args)
    assert (ran.returncode, ran.stderr) == (code, "")
    return [(one["kind"], one["text"]) for one in json.loads(ran.stdout)["problems"]]


def test_all_is_well(work: Path, index: Index) -> None:
    make_wheel(index.folder, "top", requires=["low"], scripts="[console_scripts]\ngood = top:run\n")
    make_wheel(index.folder, "low")
    wanting(work, "top")
    assert problems(work, index, code=0) == []
    assert "3 packages" in lamella(work, index, "check").stdout


def test_libraries_that_nobody_has(work: Path, index: Index) -> None:
    make_wheel(index.folder, "top", files={"top/tool.so": LS})
    wanting(work, "top")
    found = problems(work, index)
    assert {kind for kind, _ in found} == {"library"}
    assert "top-1.0 needs libc.so.6, which is not in the image" in "".join(text for _, text in found)
    assert "the deb libselinux1 may have it" in "".join(text for _, text in found)
    assert problems(work, index, "--ignore", "lib*", code=0) == []
    for library in (elf.parse(LS) or pytest.fail("ls is no ELF file")).needed:
        (work / "usr" / "local" / "lib" / library).write_bytes(b"")
    assert problems(work, index, code=0) == []


def test_the_deb_that_holds_a_library_is_looked_up(work: Path, index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "top", files={"top/tool.so": LS})
    wanting(work, "top")
    archive = Repository(tmp_path / "archive")
    archive.add("libselinux1", files={"./lib/libother.so.1": b""})
    archive.add("libselinux1t64", files={"./lib/libselinux.so.1.2": b""})
    archive.add("libc6", files={"./lib/other": b""})
    (work / "archives").write_text(archive.line)
    texts = [text for _, text in problems(work, index)]
    assert any(text.endswith("; the deb libselinux1t64 has it") for text in texts)
    assert any("libc.so.6" in text and "deb" not in text.rpartition(")")[2] for text in texts)


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("libstdc++.so.6", "libstdc++6"),
        ("libX11.so.6", "libx11-6"),
        ("libGL.so.1", "libgl1"),
        ("libglib-2.0.so.0", "libglib2.0-0"),
        ("libpng16.so.16", "libpng16-16"),
        ("libssl.so.3", "libssl3t64"),
    ],
)
def test_names_that_debs_of_libraries_have(library: str, name: str) -> None:
    assert name in debian_names(library)


def test_programs_for_another_machine(work: Path, index: Index) -> None:
    other = bytearray(LS)
    other[18:20] = (40).to_bytes(2, "little")
    make_wheel(index.folder, "top", files={"top/tool.so": bytes(other)})
    wanting(work, "top")
    assert ("machine", True) in [
        (kind, "is for arm, but the image is for" in text) for kind, text in problems(work, index)
    ]


def test_scripts_that_call_nothing(work: Path, index: Index) -> None:
    make_wheel(index.folder, "top", scripts=SCRIPT)
    wanting(work, "top")
    assert problems(work, index) == [
        ("script", "the script bad of top-1.0 calls top.nowhere, which is not in the image")
    ]


def test_the_python_that_is_not_there(work: Path, index: Index) -> None:
    make_wheel(index.folder, "top")
    wanting(work, "top")
    shutil.move(work / "usr" / "local" / "lib" / "python3.12", work / "usr" / "local" / "lib" / "python3.11")
    (work / "usr" / "local" / "bin" / "python3.12").unlink()
    assert problems(work, index) == [
        ("interpreter", "the interpreter /usr/local/bin/python3.12, which scripts start with, is not in the image"),
        ("interpreter", "the packages are for Python 3.12, but the image has Python 3.11"),
    ]


def test_requirements_that_the_lock_was_robbed_of(work: Path, index: Index) -> None:
    make_wheel(index.folder, "top", requires=["low>=1"])
    make_wheel(index.folder, "low")
    wanting(work, "top")
    problems(work, index, code=0)
    lock = json.loads((work / "lamella.lock").read_text())
    python = next(iter(lock["platforms"].values()))["python"]
    python["wheels"] = [wheel for wheel in python["wheels"] if wheel["name"] != "low"]
    python["wheels"][0]["references"] = []
    (work / "lamella.lock").write_text(json.dumps(lock))
    ran = lamella(work, index, "check")
    assert ran.returncode == 3
    assert "top-1.0 requires low>=1, which is not in the image" in ran.stdout


def test_what_is_in_which_layer(work: Path, index: Index) -> None:
    make_wheel(index.folder, "top")
    wanting(work, "top")
    lamella(work, index, "lock")
    lines = lamella(work, index, "check", "--list").stdout.splitlines()
    assert (lines[0], lines[2]) == ("python", "app")
    assert lines[3].split()[-2:] == ["top-1.0", "pypi"]


def test_what_a_base_holds_counts(work: Path, index: Index) -> None:
    needed = (elf.parse(LS) or pytest.fail("ls is no ELF file")).needed
    base = work.parent / "base"
    (base / "lib").mkdir(parents=True)
    for library in needed:
        (base / "lib" / library).write_bytes(b"")
    machine = "arm64" if os.uname().machine == "aarch64" else "amd64"
    (base / "lamella.toml").write_text(f'name = "base"\nplatforms = ["linux/{machine}"]\nfiles = ["lib"]\n')
    assert lamella(base, index, "copy", ".", "oci:image").returncode == 0
    make_wheel(index.folder, "top", files={"top/tool.so": LS})
    wanting(work, "top")
    assert problems(work, index)
    text = (work / "lamella.toml").read_text()
    (work / "lamella.toml").write_text(text.replace('name = "checked"', 'name = "checked"\nbase = "oci:../base/image"'))
    assert problems(work, index, code=0) == []
