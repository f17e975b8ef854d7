"""The reference pages are those that the code gives."""

from pathlib import Path

import pytest
from tools.reference import PAGES
from tools.reference.errors import MEANINGS, every_kind

from lamella.errors import LamellaError

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run `make docs`"


def test_every_error_says_what_it_means_and_every_code_is_explained() -> None:
    for kind in every_kind(LamellaError):
        assert kind.__doc__, kind
        assert kind.exit_code in MEANINGS, kind
