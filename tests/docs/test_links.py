"""Links between the files of the repository lead to files that are there, as a code host follows them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("docs", "examples", "deploy", "nix", "benchmarks", ".github")
PAGES = sorted([*ROOT.glob("*.md"), *(page for place in PLACES for page in (ROOT / place).rglob("*.md"))])
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Where in a page a link can lead, by the names that code hosts give to headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(CODE.sub("", page.read_text())):
        place, _, anchor = (link[1] or link[2]).partition("#")
        if "://" in place or place.startswith("mailto:"):
            continue
        target = page.parent / place if place else page
        assert target.exists(), link[0]
        assert not anchor or anchor in anchors(target), link[0]


def test_code_names_pages_that_are_there() -> None:
    files = [file for place in ("src", "tests", "tools", "deploy", "nix") for file in (ROOT / place).rglob("*")]
    named = {
        page
        for file in files
        if file.suffix in (".py", ".nix", ".toml", ".yaml", ".sh", ".html")
        for page in re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text())
    }
    assert named
    assert [page for page in named if not (ROOT / page).exists()] == []
