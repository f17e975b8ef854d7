"""The man pages are those that the commands give, and man can show them."""

import subprocess

from tests.real.programs import needs
from tools.manual import FOLDER, pages


def test_the_pages_are_current() -> None:
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == pages(), "run `make docs`"


def test_man_can_show_them() -> None:
    needs("mandoc")
    said = _mandoc("-T", "lint", "-W", "warning", *map(str, sorted(FOLDER.iterdir())))
    assert [line for line in said.splitlines() if "missing date" not in line] == []  # with one all would change daily
    shown = _mandoc("-T", "html", str(FOLDER / "lamella-lock.1"))
    assert "upgrade [PACKAGE]</b>" in shown
    assert "<b>base</b> is the base image" in shown.replace("\n", " ")


def _mandoc(*words: str) -> str:
    return subprocess.run(["mandoc", *words], capture_output=True, text=True, check=False).stdout
