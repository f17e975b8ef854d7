"""Bytecode: what Python would make of a module when it is first imported, made beforehand and alike on every machine.

It follows from the module's text and the exact version of the Python that compiles. Nothing else shows in it: no path
(Python puts that in when it loads a module) and nothing of what the compiling process did before. It is of the time
that files in layers have, so a module that somebody edits in a running container is compiled anew.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from lamella.package import MTIME
from lamella.sources.python.uv import uv_command
from lamella.sources.tree import SourceError

TOO_NEW = (3, 14)
"""From here on the form of bytecode that is the same everywhere cannot say all that there is."""

_PROGRAM = f"""
import importlib.util, marshal, sys, warnings

def words(number):
    return number.to_bytes(4, "little")

warnings.simplefilter("ignore")
said = "%d.%d.%d %s" % (*sys.version_info[:3], sys.implementation.cache_tag)
sys.stdout.buffer.write(said.encode() + b"\\n")
sys.stdout.buffer.flush()
while size := sys.stdin.buffer.read(4):
    source = sys.stdin.buffer.read(int.from_bytes(size, "little"))
    try:
        code = compile(source, "?", "exec", dont_inherit=True, optimize=0)
        data = importlib.util.MAGIC_NUMBER + words(0) + words({MTIME}) + words(len(source)) + marshal.dumps(code, 2)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        data = b""
    sys.stdout.buffer.write(words(len(data)) + data)
    sys.stdout.buffer.flush()
"""


class BytecodeError(SourceError):
    """Modules cannot be compiled."""


class Compiler:
    """A Python that compiles, in a process of its own. `tag` is what its bytecode is called by."""

    def __init__(self, process: subprocess.Popen[bytes], tag: str) -> None:
        self._process = process
        self._tag = tag

    def place(self, path: str) -> str:
        """Where Python looks for the bytecode of the module at `path`."""
        folder, _, name = path.rpartition("/")
        return f"{folder}/__pycache__/{name.removesuffix('.py')}.{self._tag}.pyc"

    def compile(self, source: bytes) -> bytes:
        """What is to stand in `__pycache__`; nothing if this is no module of that Python."""
        into, out = self._pipes()
        into.write(len(source).to_bytes(4, "little") + source)
        into.flush()
        size = out.read(4)
        data = out.read(int.from_bytes(size, "little"))
        if len(size) < 4 or len(data) < int.from_bytes(size, "little"):
            raise BytecodeError("the Python that compiles modules has ended in the middle of one")
        return data

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


@contextmanager
def compiler(version: str) -> Iterator[Compiler]:
    """The Python of that very version (`3.12.4`), for as long as it is wanted."""
    with _running(f"=={version}") as (said, found):
        if said != version:
            raise BytecodeError(
                f"bytecode is to be compiled by Python {version}, which is not here; run uv python install {version}, "
                "or lamella lock --upgrade python to take the one that is"
            )
        yield found


def newest(version: str) -> str:
    """The exact version of the Python `version` (`3.12`) that is here."""
    if tuple(map(int, version.split("."))) >= TOO_NEW:
        raise BytecodeError(f"bytecode that is the same on every machine cannot be made for Python {version} yet")
    with _running(version) as (said, _):
        if not said.startswith(f"{version}."):
            raise BytecodeError(
                f"bytecode is compiled by a Python {version}, which is not here; run uv python install {version}"
            )
        return said


@contextmanager
def _running(version: str) -> Iterator[tuple[str, Compiler]]:
    """A Python that suits, and which it says it is; where there is none, our own."""
    find = [*uv_command(), "python", "find", "--no-project", "--no-python-downloads", version]
    found = subprocess.run(find, capture_output=True, text=True, check=False)
    command = [found.stdout.strip() or sys.executable, "-S", "-s", "-B", "-c", _PROGRAM]
    plain = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=plain) as process:
        try:
            assert process.stdout is not None
            exact, _, tag = process.stdout.readline().decode("ascii", "replace").strip().partition(" ")
            yield exact, Compiler(process, tag)
        finally:
            process.kill()
