"""The action and the workflows are what GitHub understands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / "examples" / "ci").glob("*.yml"))


@pytest.mark.parametrize(
    ("schema", "file"),
    [("vendor.github-actions", ROOT / "action.yml"), *(("vendor.github-workflows", file) for file in WORKFLOWS)],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_github_understands_it(schema: str, file: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_commands_of_workflows_are_there() -> None:
    for file in WORKFLOWS:
        for command in re.findall(r"\blamella ([a-z]+(?: [a-z]+)?)(?= )", file.read_text().partition("jobs:")[2]):
            words = command.split()[: 2 if command.startswith("cache ") else 1]
            script = "from lamella.cli.main import main; main()"
            subprocess.run([sys.executable, "-c", script, *words, "--help"], check=True, capture_output=True)
