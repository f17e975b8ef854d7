"""Versions are chosen by uv, which runs as a program with the indexes and credentials of its user."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from lamella.sources.python.target import Target
from lamella.sources.tree import SourceError

_QUIET = ("--quiet", "--no-header", "--no-annotate", "--no-python-downloads")
_LONGEST_SAID = 600
_UNSATISFIABLE = 1
"""uv's exit code when there is no solution."""
_NO_BUILD = re.compile(r"building (from source|source distributions).* is disabled", re.IGNORECASE)
"""Its message when something would have to be built."""


class ResolveError(SourceError):
    """Versions of Python packages cannot be chosen."""


class UnsatisfiableError(ResolveError):
    """The indexes have no compatible versions of the requested Python packages."""


class SourceOnlyError(UnsatisfiableError):
    """A Python package has no wheel, and building is not allowed."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"only wheels are allowed, and {why.rstrip('.')}; use a version with wheels. To build it, which runs its "
            "code, set build = true in [python], and do not set UV_NO_BUILD"
        )


@dataclass(frozen=True)
class File:
    """A file in an index. A size of 0 is unknown."""

    name: str
    url: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Candidate:
    """A package in the chosen version, with its files, or its commit in a repository."""

    name: str
    version: str
    wheels: tuple[File, ...] = ()
    sdist: File | None = None
    repository: str = ""
    commit: str = ""

    @property
    def files(self) -> tuple[File, ...]:
        """All of them."""
        return (*self.wheels, *([self.sdist] if self.sdist else []))


@dataclass(frozen=True)
class Question:
    """What to resolve: lines of requirements (and of indexes) for a target, within constraints."""

    lines: Sequence[str]
    target: Target
    folder: Path
    constraints: Sequence[Path] = ()
    newest: str = ""
    kept: Sequence[tuple[str, str]] = ()
    """Names and versions to keep if possible."""
    only_these: bool = False
    """Whether dependencies are left out."""
    builds: bool = False
    """Whether packages without wheels count too. To read their metadata, uv runs their build code."""


def uv_command() -> list[str]:
    """The command for uv: the one in our environment, or one on the path."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    if not found:
        raise ResolveError("uv, which chooses Python packages, is not installed; run pip install 'lamella[pypi]'")
    return [found]


def python_command(version: str) -> str:
    """The Python of that version on this machine, or else our own."""
    find = [*uv_command(), "python", "find", "--no-project", "--no-python-downloads", version]
    return subprocess.run(find, capture_output=True, text=True, check=False).stdout.strip() or sys.executable


def resolve(question: Question) -> list[Candidate]:
    """The packages that answer the question, by name."""
    target = question.target
    with tempfile.TemporaryDirectory(prefix="lamella-") as folder:
        out = Path(folder, "pylock.toml")
        if question.kept:
            out.write_text(_kept(question.kept))
        command = [*uv_command(), "pip", "compile", "-", *_QUIET, "--format", "pylock.toml", "--output-file", str(out)]
        command += ["--python", sys.executable, "--python-version", target.version]
        command += ["--python-platform", target.uv_platform]
        command += ["--no-deps"] if question.only_these else []
        command += [] if question.builds else ["--no-build"]
        command += ["--exclude-newer", question.newest] if question.newest else []
        for file in question.constraints:
            command += ["--constraints", str(file)]
        lines = "".join(f"{line}\n" for line in question.lines)
        ran = subprocess.run(command, input=lines, cwd=question.folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            if not question.builds and _NO_BUILD.search(ran.stderr):
                raise SourceOnlyError(f"uv finds no compatible versions: {_said(ran.stderr)}")
            if ran.returncode == _UNSATISFIABLE:
                raise UnsatisfiableError(f"uv finds no compatible packages: {_said(ran.stderr)}")
            raise ResolveError(f"uv cannot choose packages: {_said(ran.stderr)}")
        try:
            return [_candidate(told) for told in tomllib.loads(out.read_text()).get("packages", [])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResolveError(f"uv's output cannot be read: {error}") from error


def _kept(versions: Sequence[tuple[str, str]]) -> str:
    """An older lock, as far as uv reads it: names and versions."""
    packages = "".join(f'\n[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in versions)
    return f'lock-version = "1.0"\ncreated-by = "lamella"\n{packages}'


def _said(text: str) -> str:
    """uv's message on one line, without the drawing."""
    words = " ".join(text.replace("×", " ").replace("╰─▶", " ").replace("│", " ").split()).removeprefix("error: ")
    words = words.removeprefix("No solution found when resolving dependencies cause: ")
    words = words.partition(" hint: Wheels are required")[0]
    return words if len(words) <= _LONGEST_SAID else words[:_LONGEST_SAID] + "..."


def _candidate(told: dict[str, Any]) -> Candidate:
    source = told.get("vcs") or {}
    sdist = told.get("sdist") or told.get("archive")
    if sdist and _file(sdist).name.endswith(".whl"):
        return Candidate(canonicalize_name(told["name"]), str(told.get("version", "")), (_file(sdist),))
    return Candidate(
        canonicalize_name(told["name"]),
        str(told.get("version", "")),
        tuple(_file(wheel) for wheel in told.get("wheels", ())),
        _file(sdist) if sdist else None,
        str(source.get("url", "")),
        str(source.get("commit-id", "")),
    )


def _file(told: dict[str, Any]) -> File:
    url = str(told["url"]) if "url" in told else Path(told["path"]).absolute().as_uri()
    name = str(told.get("name") or unquote(urlsplit(url).path).rpartition("/")[2])
    hashed = told.get("hashes", {}).get("sha256")
    if not hashed:
        raise ResolveError(f"the index has no SHA-256 of {name}, so it cannot be locked; use another index")
    return File(name, url, str(hashed), int(told.get("size", 0)))
