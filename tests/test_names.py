"""Test files have unique names, as pytest imports them by these from folders that it adds to Python's path."""

import sys
from collections import Counter
from pathlib import Path

FILES = list(Path(__file__).parent.rglob("*.py"))


def test_no_two_files_of_tests_are_called_the_same() -> None:
    names = Counter(path.name for path in FILES if path.name.startswith("test_"))
    assert [name for name, times in names.items() if times > 1] == []


def test_no_file_takes_the_place_of_a_module_of_python() -> None:
    assert [str(path) for path in FILES if path.stem in sys.stdlib_module_names] == []
