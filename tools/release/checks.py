"""What a check is, and how programs are run in it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class WrongError(Exception):
    """Something that must not be published; says what it is."""


def must(holds: object, wrong: str) -> None:
    """Nothing, if it holds."""
    if not holds:
        raise WrongError(wrong)


def variables(**more: str) -> dict[str, str]:
    """Those of this process, without any that leads to its own code."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden} | more


def run(*command: object, at: Path = ROOT, **more: str) -> str:
    """What a program writes on stdout; `more` are variables that it is given."""
    words = [str(word) for word in command]
    ran = subprocess.run(words, cwd=at, env=variables(**more), capture_output=True, text=True, check=False)
    must(ran.returncode == 0, f"{' '.join(words)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def listed(names: Sequence[str] | set[str]) -> str:
    """Some of many names."""
    first = sorted(names)[:5]
    return ", ".join(first) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def uv(*words: object, at: Path = ROOT) -> str:
    """What uv says, which came with our own environment."""
    return run(sys.executable, "-m", "uv", *words, at=at)
