"""Writes the pages."""

from pathlib import Path

from tools.reference import PAGES

folder = Path(__file__).parents[2] / "docs" / "reference"
for name, page in PAGES.items():
    (folder / name).write_text(page())
