"""Files of requirements are read to their end."""

from pathlib import Path

import pytest

from lamella.sources.python.requirements import RequirementError, read_file


@pytest.mark.parametrize(
    "text",
    [
        "numpy\nrequests \\\n",
        "numpy\nrequests \\",
        "numpy\nrequests\\\n >=0 \\\n --hash=sha256:00 \\\n",
        "numpy\nrequests  # the last\\",
        "numpy\nrequests\\\n\n",
    ],
)
def test_a_last_line_that_goes_on_is_not_lost(tmp_path: Path, text: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(text)
    assert [asked.name for asked in read_file(file).requirements] == ["numpy", "requests"]


def test_that_pre_releases_count_is_part_of_what_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("numpy\n--index-url https://packages.example.com/simple\n")
    assert read_file(file).texts == ["numpy"]
    file.write_text("numpy\n--pre\n")
    assert read_file(file).texts == ["--pre", "numpy"]


def test_limits_of_limits_count(tmp_path: Path) -> None:
    for name, text in {
        "requirements.txt": "numpy\n-c one.txt\n",
        "one.txt": "-c more/two.txt\n-r more/three.txt\n",
        "more/two.txt": "numpy<2\n",
        "more/three.txt": "-c four.txt\nscipy<1\n",
        "more/four.txt": "scipy>0.1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = read_file(tmp_path / "requirements.txt").constraints
    assert [file.relative_to(tmp_path).as_posix() for file in found] == ["one.txt", "more/two.txt", "more/four.txt"]


def test_limits_that_take_in_each_other_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("-c one.txt\n")
    with pytest.raises(RequirementError, match="include each other endlessly"):
        read_file(tmp_path / "one.txt")
