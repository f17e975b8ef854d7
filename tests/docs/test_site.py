"""The site is made without a warning: no page is missing in its navigation, and no link or anchor leads nowhere.

Links to other sites are not followed: tests have no network.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("site")
    flags = ("-W", "--keep-going", "-q", "-n", "-d", str(made / "trees"))
    command = [sys.executable, "-m", "sphinx", *flags, str(DOCS), str(made / "html")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return made / "html"


def test_every_page_is_on_it_and_can_be_searched(site: Path) -> None:
    pages = [page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")]
    found = (site / "searchindex.js").read_text()
    for page in pages:
        assert (site / page).with_suffix(".html").exists(), page
        assert f'"{page}"' in found, page


def test_it_is_shown_without_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)="([^"]*)"', page.read_text())
        assert len(loaded) > 3, page
        assert [place for place in loaded if "//" in place] == [], page
    assert not [
        style
        for style in site.rglob("*.css")
        if re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text())
    ]
