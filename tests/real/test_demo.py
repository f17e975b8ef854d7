"""What a newcomer sees first works: one dependency changes, and one layer moves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real.programs import absent

from lamella.sources.debian.suites import apt_suites

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).parents[2] / "examples"


def demo(name: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    copied = folder / "examples"
    shutil.copytree(EXAMPLES, copied, ignore=shutil.ignore_patterns("lamella.lock", "image.json"))
    env = {**os.environ, "PATH": path, "UV_CACHE_DIR": str(folder / "uv")}
    ran = subprocess.run(["sh", copied / name / "demo.sh"], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_one_file_changes(tmp_path: Path) -> None:
    assert "4 layers: 1 made (3.1 kB read), 3 reused" in demo("hello", tmp_path)


def test_one_dependency_changes(tmp_path: Path) -> None:
    if not apt_suites():
        absent("apt names no archives here")
    told = demo("comfyui-cpu", tmp_path)
    assert "6 uploaded" in told
    assert "5 exists, 1 uploaded" in told
    assert "6 exists (0 B sent)" in told
    assert "+ humanize" in told
    assert "a picture of" in told
