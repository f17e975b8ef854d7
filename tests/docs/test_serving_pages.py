"""The settings that pages about the server show are settings that it reads."""

import re
from pathlib import Path

import pytest

from lamella.server.settings import parse_settings

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "serving" / "index.md", DOCS / "migration" / "nixery.md"]
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPEC = re.compile(r"# (?!server)\w+\.toml\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_are_read(page: Path) -> None:
    shown = [text for text in TOML.findall(page.read_text()) if not SPEC.match(text)]
    assert len(shown) > 1
    for text in shown:
        parse_settings(text, page.name)
