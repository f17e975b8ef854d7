"""The action and the workflows, read by a linter that knows GitHub."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.docs.shown import workflows
from tests.real.programs import absent

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]


def test_a_linter_has_nothing_to_say(tmp_path: Path) -> None:
    """It looks into expressions and scripts, and at what the action is given."""
    linter = shutil.which("actionlint", path=f"{os.environ['PATH']}:{Path.home()}/go/bin")
    if linter is None:
        absent("actionlint is not installed")
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / "action.yml", tmp_path)
    for file in (ROOT / "examples" / "ci").glob("*.yml"):
        (folder / file.name).write_text(file.read_text().replace("OWNER/lamella@v1", "./"))
    for number, (file, text) in enumerate(workflows()):
        if file.is_relative_to(".github"):
            (folder / f"{number}.yml").write_text(text.replace("OWNER/lamella@v1", "./"))
    shutil.copytree(ROOT / ".github" / "workflows", folder, dirs_exist_ok=True)
    ran = subprocess.run([linter, "-format", "{{json .}}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert [one["message"] for one in json.loads(ran.stdout)] == []
