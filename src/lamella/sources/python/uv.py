"""uv decides which versions go together. It is run as a program, with the indexes and credentials of its user."""

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
"""What uv ends with when it has looked at everything."""
_NO_BUILD = re.compile(r"building (from source|source distributions).* is disabled", re.IGNORECASE)
"""How it says that something would have to be built."""


class ResolveError(SourceError):
    """Packages that go together cannot be found."""


class UnsatisfiableError(ResolveError):
    """There are no packages that go together: indexes were asked, and have none."""


class SourceOnlyError(UnsatisfiableError):
    """A package is there as source only, and only wheels are taken."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"only wheels are taken, and {why.rstrip('.')}; ask for a version that has wheels. To have it built, which "
            "runs its code, say build = true of that python, and do not set UV_NO_BUILD"
        )


@dataclass(frozen=True)
class File:
    """A file of an index. Where its size is not told, that is 0."""

    name: str
    url: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Candidate:
    """A package in the version that was chosen, and the files that it is there as; or its commit in a repository."""

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
    """What is to be resolved: lines of requirements (and of indexes) for a target, within constraints."""

    lines: Sequence[str]
    target: Target
    folder: Path
    constraints: Sequence[Path] = ()
    newest: str = ""
    kept: Sequence[tuple[str, str]] = ()
    """Names and versions to keep where nothing speaks against them."""
    only_these: bool = False
    """Whether the requirements of the requirements are left alone."""
    builds: bool = False
    """Whether what is there as source only counts, too. To look at it, uv runs its build code."""


def uv_command() -> list[str]:
    """How uv is called here: the one that was installed beside us, or one that is on the path."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    if not found:
        raise ResolveError("uv, which chooses Python packages, is not there; run pip install 'lamella[pypi]'")
    return [found]


def python_command(version: str) -> str:
    """The Python of that version on this machine; if there is none, our own."""
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
                raise SourceOnlyError(f"uv finds none that go together: {_said(ran.stderr)}")
            if ran.returncode == _UNSATISFIABLE:
                raise UnsatisfiableError(f"uv finds no packages that go together: {_said(ran.stderr)}")
            raise ResolveError(f"uv cannot look for packages: {_said(ran.stderr)}")
        try:
            return [_candidate(told) for told in tomllib.loads(out.read_text()).get("packages", [])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ResolveError(f"uv told something that cannot be read: {error}") from error


def _kept(versions: Sequence[tuple[str, str]]) -> str:
    """An older answer, as far as uv looks at it: names and versions."""
    packages = "".join(f'\n[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in versions)
    return f'lock-version = "1.0"\ncreated-by = "lamella"\n{packages}'


def _said(text: str) -> str:
    """uv's own words on one line, without the drawing."""
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
        raise ResolveError(f"the index tells no SHA-256 of {name}, so nobody could know it again; use another index")
    return File(name, url, str(hashed), int(told.get("size", 0)))
