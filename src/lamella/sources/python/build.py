"""Packages without wheels are built to wheels, once for each Python, by uv in an environment of its own.

The result is kept under the hash of its source, and identified by it: the same source, the same wheel.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamella.sources.python.target import Target
from lamella.sources.python.uv import python_command, uv_command
from lamella.sources.tree import SourceError
from lamella.staging import explained

_EPOCH = "315532800"
"""1980, the earliest time in zip archives."""

_LONGEST_SAID = 400


class BuildError(SourceError):
    """A Python package cannot be built from its source."""


def built_path(folder: Path, source: str, target: Target) -> Path:
    """Where the wheel built from a source (a hash or a commit) is kept."""
    return folder / "built" / f"{source}-{target.version}-{target.machine}-{target.libc}" / "built.whl"


def build_archive(archive: Path, file: str, target: Target, out: Path) -> None:
    """Builds the wheel `out` from an sdist with the name `file`."""
    with _workshop(out) as folder:
        named = folder / file
        shutil.copyfile(archive, named)
        _build(named, file, target, folder, out)


def build_commit(repository: str, commit: str, target: Target, out: Path) -> None:
    """Builds the wheel `out` from a commit."""
    with _workshop(out) as folder:
        checkout = folder / "source"
        for command in (
            ["git", "clone", "--quiet", "--no-checkout", repository, str(checkout)],
            ["git", "-C", str(checkout), "checkout", "--quiet", commit],
            ["git", "-C", str(checkout), "submodule", "--quiet", "update", "--init", "--recursive"],
        ):
            ran = _run(command)
            if ran.returncode:
                raise BuildError(
                    f"commit {commit} of {shown_repository(repository)} cannot be fetched: {_last(ran.stderr)}"
                )
        _build(checkout, f"{shown_repository(repository)} at {commit[:12]}", target, folder, out)


def shown_repository(repository: str) -> str:
    """A repository's name, without its address, which may contain secrets."""
    return repository.rstrip("/").rpartition("/")[2].removesuffix(".git")


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    with explained(out, "cannot write"):
        out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=out.parent) as folder:
        yield Path(folder)


def _build(source: Path, name: str, target: Target, folder: Path, out: Path) -> None:
    made = folder / "out"
    command = [*uv_command(), "build", "--quiet", "--wheel", "--out-dir", str(made), "--no-python-downloads"]
    ran = _run([*command, "--python", python_command(target.version), str(source)])
    wheels = list(made.glob("*.whl"))
    if ran.returncode or len(wheels) != 1:
        raise BuildError(f"{name} cannot be built: {_last(ran.stderr)}")
    if target.rank(wheels[0].name) is None:
        raise BuildError(
            f"{name} has no wheel, and here builds to {wheels[0].name}, which does not run on Python "
            f"{target.version} with {target.machine}; lock and build on such a machine with that Python"
        )
    with explained(out, "cannot write"):
        wheels[0].rename(out)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    whole = ["env", f"SOURCE_DATE_EPOCH={_EPOCH}", "GIT_TERMINAL_PROMPT=0", *command]
    return subprocess.run(whole, capture_output=True, text=True, check=False)


def _last(text: str) -> str:
    said = " ".join(" ".join(line.split()) for line in text.strip().splitlines() if line.strip())
    return said[-_LONGEST_SAID:] or "no error was printed"
