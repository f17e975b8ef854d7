"""The action, the workflows and the forms are what GitHub understands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / "examples" / "ci").glob("*.yml"))
OWN = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-actions", [ROOT / "action.yml"]),
        ("vendor.github-workflows", [*WORKFLOWS, *OWN]),
        ("vendor.github-issue-forms", FORMS),
    ],
    ids=["action", "workflows", "forms"],
)
def test_github_understands_them(schema: str, files: list[Path]) -> None:
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_commands_of_workflows_are_there() -> None:
    for file in WORKFLOWS:
        for command in re.findall(r"\blamella ([a-z]+(?: [a-z]+)?)(?= )", file.read_text().partition("jobs:")[2]):
            words = command.split()[: 2 if command.startswith("cache ") else 1]
            script = "from lamella.cli.main import main; main()"
            subprocess.run([sys.executable, "-c", script, *words, "--help"], check=True, capture_output=True)
