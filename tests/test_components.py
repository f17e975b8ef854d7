"""`make components` looks for everything that tests need, so that a fresh machine can run them all."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
DEBIANS = {"apt-get", "dpkg", "dpkg-deb", "git", "ldconfig", "unshare"}
"""Installed on every Debian that has this repository."""


def test_every_program_that_tests_need_is_brought() -> None:
    script = (TESTS.parent / "tools" / "components.sh").read_text()
    listed = re.search(r"for program in (.*?); do", script, re.DOTALL)
    assert listed
    brought = set(listed[1].replace("\\\n", " ").split())
    calls = [call for file in TESTS.rglob("*.py") for call in re.findall(r"needs\(([^)]*)\)", file.read_text())]
    needed = {name for call in calls for name in re.findall(r'"([^"]+)"', call)}
    assert {"nix", "patchelf", "podman"} <= needed
    assert needed - brought <= DEBIANS
