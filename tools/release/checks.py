"""The parts of checks: errors, and running programs."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class WrongError(Exception):
    """Something that must not be published."""


def must(holds: object, wrong: str) -> None:
    """Raise an error unless the condition holds."""
    if not holds:
        raise WrongError(wrong)


def variables(**more: str) -> dict[str, str]:
    """Return this process's variables, without those that lead to its own code."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden} | more


def run(*command: object, at: Path = ROOT, **more: str) -> str:
    """Return a program's stdout; `more` are additional environment variables."""
    words = [str(word) for word in command]
    ran = subprocess.run(words, cwd=at, env=variables(**more), capture_output=True, text=True, check=False)
    must(ran.returncode == 0, f"{' '.join(words)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def listed(names: Sequence[str] | set[str]) -> str:
    """Return the first few of many names."""
    first = sorted(names)[:5]
    return ", ".join(first) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def uv(*words: object, at: Path = ROOT) -> str:
    """Run uv from our own environment, and return its output."""
    return run(sys.executable, "-m", "uv", *words, at=at)
