"""The command as people run it: a process of its own, with a cache and a home of its own."""

import os
import subprocess
import sys
from pathlib import Path

LAMELLA = (sys.executable, "-c", "from lamella.cli.main import main; main()")


def run(folder: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What became of it in `folder`, beside which its cache lies; `more` is said in its environment."""
    env = {**os.environ, "LAMELLA_CACHE": str(folder.parent / "cache"), "HOME": str(folder), **more}
    return subprocess.run([*LAMELLA, *args], cwd=folder, env=env, capture_output=True, text=True, check=False)


def good(folder: Path, *args: str, **more: str) -> str:
    """What it prints where all is well."""
    ran = run(folder, *args, **more)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
