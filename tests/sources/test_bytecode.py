"""Bytecode made beforehand: Python uses it, and it does not tell by whom, when and where it was made."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.wheels import make_wheel, package_of

from lamella.layers.tree import merge
from lamella.oci.digest import Digest
from lamella.package import MTIME
from lamella.sources.python import bytecode, wheel
from lamella.sources.python.bytecode import BytecodeError, compiler, newest
from lamella.sources.python.recipe import content_of
from lamella.sources.python.scheme import Scheme

HERE = ".".join(map(str, sys.version_info[:3]))
MINOR = HERE.rpartition(".")[0]
TAG = sys.implementation.cache_tag
SCHEME = Scheme(version=MINOR, prefix="/usr", packages="/lib", interpreter=sys.executable, compiler=HERE)
FAILS = b"""
import os, sys
WORDS = {"a", "b", "c"}
def fail(what={"x", "y"} ):
    if what in ("\xc3\xa4", "deutsch") or what in {"one", "two", "three"}:
        return 1.5, 2**70, b"bytes", None, ..., -0.0, 3j
    raise RuntimeError(lambda: [x for x in what])
"""
FILES = {"demo/__init__.py": FAILS, "demo/empty.py": b"", "demo/old.py": b"print 'of another age'\n", "demo/data": b"x"}


def unpacked(path: Path, folder: Path) -> Path:
    """The wheel as it would lie in a container."""
    for entry in wheel.entries(package_of(path, SCHEME)):
        file = folder / entry.path.decode().removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        assert callable(entry.content)
        with entry.content() as opened:
            file.write_bytes(opened.read())
        os.utime(file, (MTIME, MTIME))
    return folder / "lib"


def python(folder: Path, code: str) -> str:
    command = [sys.executable, "-B", "-S", "-v", "-c", code]
    return subprocess.run(command, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False).stderr


def test_python_uses_it_and_tells_where_things_fail(tmp_path: Path) -> None:
    lib = unpacked(make_wheel(tmp_path, files=FILES), tmp_path)
    cached = lib / "demo" / "__pycache__"
    assert {file.name for file in cached.iterdir()} == {f"__init__.{TAG}.pyc", f"empty.{TAG}.pyc"}
    said = python(lib, "import demo.empty; demo.fail()")
    assert f"{cached}/__init__.{TAG}.pyc matches {lib}/demo/__init__.py" in said
    assert f"{cached}/empty.{TAG}.pyc matches" in said
    assert f'File "{lib}/demo/__init__.py", line 7, in fail' in said


def test_a_module_that_was_edited_counts_and_not_what_it_was(tmp_path: Path) -> None:
    lib = unpacked(make_wheel(tmp_path, files=FILES), tmp_path)
    (lib / "demo" / "empty.py").write_text("raise SystemExit('edited')")
    assert "edited" in python(lib, "import demo.empty")


def test_it_follows_from_the_module_alone() -> None:
    other = b"import os\n\xc3\xa4 = 'deutsch', '\xc3\xa4', {'x', 'y', 'z'}\n"
    with compiler(HERE) as one, compiler(HERE) as two:
        first = [one.compile(FAILS), one.compile(other)]
        second = [two.compile(other), two.compile(FAILS), two.compile(other)]
    assert first == [second[1], second[0]]
    assert second[0] == second[2]


def test_what_a_wheel_brings_along_stays(tmp_path: Path) -> None:
    brought = f"demo/__pycache__/__init__.{TAG}.pyc"
    made = make_wheel(tmp_path, files={**FILES, brought: b"brought"})
    assert (unpacked(made, tmp_path) / brought).read_bytes() == b"brought"


def test_the_version_is_part_of_what_a_wheel_is() -> None:
    archive = Digest("sha256:" + "0" * 64)
    plain = Scheme(version=MINOR, prefix="/usr", packages="/lib", interpreter=sys.executable)
    assert content_of(archive, plain) != content_of(archive, SCHEME)


def test_a_python_that_is_not_here_and_one_that_is_too_new() -> None:
    with pytest.raises(BytecodeError, match=r"needs Python 3\.11\.99, which is not installed"), compiler("3.11.99"):
        pass
    with pytest.raises(BytecodeError, match=r"needs Python 3\.2, which is not installed"):
        newest("3.2")
    with pytest.raises(BytecodeError, match=r"cannot be made for Python 3\.14"):
        newest("3.14")
    assert newest(MINOR).startswith(f"{MINOR}.")


def test_wheels_share_as_many_pythons_as_there_are_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Counted(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **more: Any) -> None:
            super().__init__(command, **more)
            if command[-1] == bytecode.PROGRAM:
                started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    names = [f"demo{number}" for number in range((os.cpu_count() or 1) + 3)]
    made = [make_wheel(tmp_path, name, files={f"{name}/__init__.py": FAILS}) for name in names]
    found = {entry.path.decode() for entry in merge([wheel.entries(package_of(path, SCHEME)) for path in made])}
    assert {f"/lib/{name}/__pycache__/__init__.{TAG}.pyc" for name in names} <= found
    assert 0 < len(started) <= (os.cpu_count() or 1)
    assert all(process.returncode is not None for process in started)
