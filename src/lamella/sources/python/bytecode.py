"""Bytecode: what Python makes of a module on its first import, made in advance and the same on every machine.

It depends only on the module's text and the exact version of the compiling Python: not on paths, which Python fills in
when it loads a module, nor on what the compiling process did before. Its time is that of all files in layers, so a
module that is edited in a running container is compiled again.
"""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from lamella.package import MTIME
from lamella.sources.python.uv import python_command
from lamella.sources.tree import SourceError

TOO_NEW = (3, 14)
"""From this version on, the reproducible form of bytecode cannot represent everything."""

PROGRAM = f"""
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
    """Python modules cannot be compiled."""


class Compiler:
    """A Python that compiles, in its own process. `version` is its exact version, as it reports it."""

    def __init__(self, version: str) -> None:
        command = [python_command(version), "-S", "-s", "-B", "-c", PROGRAM]
        plain = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=plain)
        said = self._pipes()[1].readline().decode("ascii", "replace").strip()
        self.version, _, self._tag = said.partition(" ")
        self._lock = threading.Lock()
        self.users = 0

    def place(self, path: str) -> str:
        """Where Python looks for the bytecode of the module at `path`."""
        folder, _, name = path.rpartition("/")
        return f"{folder}/__pycache__/{name.removesuffix('.py')}.{self._tag}.pyc"

    def compile(self, source: bytes) -> bytes:
        """The file for `__pycache__`; empty if that Python cannot compile the module."""
        into, out = self._pipes()
        with self._lock:
            into.write(len(source).to_bytes(4, "little") + source)
            into.flush()
            size = out.read(4)
            data = out.read(int.from_bytes(size, "little"))
        if len(size) < 4 or len(data) < int.from_bytes(size, "little"):
            raise BytecodeError("the Python that compiles modules ended unexpectedly")
        return data

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def stop(self) -> None:
        """Ends the process."""
        with self._process:
            self._process.kill()


_MOST = os.cpu_count() or 1
_running: dict[str, list[Compiler]] = {}
_starting = threading.RLock()


@contextmanager
def compiler(version: str) -> Iterator[Compiler]:
    """The Python with exactly that version (`3.12.4`), for as long as it is needed.

    A layer is made of many wheels at once, which share at most as many processes as there are processors.
    """
    with _starting:
        running = _running.setdefault(version, [])
        if len(running) < _MOST:
            running.append(_exactly(version))
        found = min(running, key=lambda one: one.users)
        found.users += 1
    try:
        yield found
    finally:
        with _starting:
            found.users -= 1
            if not found.users:
                running.remove(found)
                found.stop()


def _exactly(version: str) -> Compiler:
    found = Compiler(f"=={version}")
    if found.version != version:
        found.stop()
        raise BytecodeError(
            f"bytecode needs Python {version}, which is not installed; run uv python install {version}, or "
            "lamella lock --upgrade python to use the one that is"
        )
    return found


def newest(version: str) -> str:
    """The exact version of the installed Python `version` (`3.12`)."""
    if tuple(map(int, version.split("."))) >= TOO_NEW:
        raise BytecodeError(f"reproducible bytecode cannot be made for Python {version} yet")
    found = Compiler(version)
    found.stop()
    if not found.version.startswith(f"{version}."):
        raise BytecodeError(f"bytecode needs Python {version}, which is not installed; run uv python install {version}")
    return found.version
