"""Files of requirements are read to their end."""

from pathlib import Path

import pytest

from lamella.sources.python.requirements import read_file


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
