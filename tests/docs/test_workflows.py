"""The action, the forms and the workflows, those that the pages show too, are what GitHub and GitLab understand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.shown import workflows

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


@pytest.mark.parametrize(("file", "text"), workflows(), ids=lambda value: value.name if isinstance(value, Path) else "")
def test_what_pages_show_is_understood(file: Path, text: str, tmp_path: Path) -> None:
    schema = "vendor.gitlab-ci" if "gitlab" in file.name else "vendor.github-workflows"
    (tmp_path / file.name).write_text(text)
    test_github_understands_them(schema, [tmp_path / file.name])


def test_commands_of_workflows_are_there() -> None:
    for text in (*(file.read_text() for file in WORKFLOWS), *(text for _, text in workflows())):
        jobs = re.split("^jobs:|script:", text, maxsplit=1, flags=re.MULTILINE)[1]
        for command in re.findall(r"\blamella ([a-z]+(?: [a-z]+)?)(?= )", jobs):
            words = command.split()[: 2 if command.startswith("cache ") else 1]
            script = "from lamella.cli.main import main; main()"
            subprocess.run([sys.executable, "-c", script, *words, "--help"], check=True, capture_output=True)
