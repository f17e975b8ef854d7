"""Files of tests have names of their own: pytest knows them by these alone."""

from collections import Counter
from pathlib import Path


def test_no_two_files_of_tests_are_called_the_same() -> None:
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []
