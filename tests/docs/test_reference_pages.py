"""The reference pages are those that the code gives."""

from pathlib import Path

import pytest
from tools.reference import PAGES
from tools.reference.errors import MEANINGS, every_kind
from tools.reference.spec import TABLES
from tools.reference.tables import tables

import lamella
from lamella.errors import LamellaError
from lamella.spec.model import Image

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run `make docs`"


def test_every_error_says_what_it_means_and_every_code_is_explained() -> None:
    for kind in every_kind(LamellaError):
        assert kind.__doc__, kind
        assert kind.exit_code in MEANINGS, kind


def test_the_spec_has_a_section_for_every_table() -> None:
    assert {kind for _, kind in tables(Image)} <= {kind for _, kind in TABLES}


def test_python_has_every_value_that_a_spec_has_a_table_for() -> None:
    made = {kind for _, kind in tables(Image) if not kind.__name__.endswith("Want")}
    assert made == {getattr(lamella, kind.__name__, None) for kind in made}
