"""Go programs that answer line by line: what Go does with headers, regular expressions and paths."""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lamella.package import Entry

GOLDEN = Path(__file__).parent / "golden"


class GoRefusedError(Exception):
    """Go would not write this."""


def go() -> str | None:
    """The path of Go, if it is installed."""
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


class Program:
    """A running program."""

    def __init__(self, name: str, folder: Path) -> None:
        binary = folder / name
        subprocess.run([go() or "go", "build", "-o", binary, GOLDEN / f"{name}.go"], check=True, cwd=folder)
        self._process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, question: object) -> bytes:
        """Return the program's answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if answer.startswith(b"error: "):
            raise GoRefusedError(answer.decode())
        return base64.b64decode(answer)

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def header_by(program: Program, entry: Entry) -> bytes:
    """The header that Go writes."""
    return program.ask({"Entries": [_told(entry, b"")], "Whole": False})


def tar_by(program: Program, files: Sequence[tuple[Entry, bytes]]) -> bytes:
    """The archive that Go writes of entries and their data."""
    return program.ask({"Entries": [_told(entry, data) for entry, data in files], "Whole": True})


def text(data: bytes) -> str:
    """Bytes in JSON for Go."""
    return base64.b64encode(data).decode()


def _told(entry: Entry, data: bytes) -> dict[str, object]:
    owner = entry.owner
    return {
        "Path": text(entry.path),
        "Target": text(entry.target),
        "Data": text(data),
        "Kind": int(entry.kind),
        "Mode": entry.mode,
        "Size": entry.size,
        "Uid": owner.uid,
        "Gid": owner.gid,
        "Uname": text(owner.uname.encode()),
        "Gname": text(owner.gname.encode()),
    }
