"""Reports in a real browser, from a file: by keys alone, wide and narrow, light and dark."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.real.browser import BROWSER, Tab, browser
from tests.real.programs import needs
from tests.report.pictured import foreign, told

from lamella.report.facts import Facts, facts
from lamella.report.page import page

pytestmark = pytest.mark.real

FOCUSED = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
CRUMBS = "document.querySelector('.crumbs').textContent"
Try = Callable[[Tab], Awaitable[None]]


@pytest.fixture
def look(tmp_path: Path) -> Callable[[Facts, Try], None]:
    """Opens the report of facts in a browser, has something tried, and sees to it that nothing failed."""
    needs(BROWSER)

    def at(found: Facts, attempt: Try) -> None:
        file = tmp_path / "report.html"
        file.write_bytes(page(found, b'{"spdxVersion": "SPDX-2.3"}'))

        async def run() -> None:
            async with browser(tmp_path / "user") as tab:
                await tab.screen(1100)
                await tab.open(file.as_uri())
                await attempt(tab)
                assert not tab.trouble
                assert tab.asked == [file.as_uri()]

        asyncio.run(asyncio.wait_for(run(), 60))

    return at


def test_the_picture_is_walked_by_keys(look: Callable[[Facts, Try], None]) -> None:
    async def attempt(tab: Tab) -> None:
        await tab.value("document.querySelector('.tile[tabindex=\"0\"]').focus()")
        assert (await tab.value(FOCUSED)).startswith("python: 20.0 MB")
        await tab.press("ArrowRight")
        assert (await tab.value(FOCUSED)).startswith("numpy: 10.0 MB")
        await tab.press("Enter")
        assert await tab.value(CRUMBS) == "analysis:1›numpy"
        await tab.press("Enter")
        assert (await tab.value(CRUMBS)).endswith("numpy›numpy")
        assert "Included because of app → numpy" in await tab.value("document.querySelector('.about').textContent")
        await tab.press("Escape", "Escape")
        assert await tab.value(CRUMBS) == "analysis:1"
        assert (await tab.value(FOCUSED)).startswith("numpy: 10.0 MB")
        await tab.press("ArrowLeft")
        assert (await tab.value(FOCUSED)).startswith("python: 20.0 MB")
        assert await tab.value("document.activeElement.matches(':focus-visible')")

    look(told(), attempt)


def test_packages_are_searched_and_opened_by_keys(look: Callable[[Facts, Try], None]) -> None:
    rows = "[...document.querySelectorAll('tr.package')].map((row) => row.querySelector('th').firstChild.textContent)"

    async def attempt(tab: Tab) -> None:
        assert (await tab.value(rows))[:3] == ["python", "numpy", "app"]
        await tab.press("/", "p", "y", "t")
        assert await tab.value("document.querySelector('#search').value") == "pyt"
        assert await tab.value(rows) == ["python"]
        await tab.press("ArrowDown", "Enter")
        said = await tab.value("document.querySelector('.more-of').textContent")
        assert said == "Included because of app → numpy → pythonNeeded by numpy"
        assert await tab.value("document.activeElement.getAttribute('aria-expanded')") == "true"
        await tab.press("Escape", "Escape")
        assert await tab.value("document.activeElement.id") == "search"
        await tab.press("Escape")
        assert len(await tab.value(rows)) == 4
        await tab.value("document.querySelector('thead button').click()")
        assert (await tab.value(rows))[1:] == ["app", "numpy", "python"]
        assert await tab.value("document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "ascending"

    look(told(), attempt)


def test_tiles_are_as_large_as_what_they_stand_for(look: Callable[[Facts, Try], None]) -> None:
    areas = """[...document.querySelectorAll('.tile > rect')].map((one) => {
        const { width, height } = one.getBoundingClientRect(); return width * height; })"""

    async def attempt(tab: Tab) -> None:
        python, numpy, top = await tab.value(areas)
        assert python / numpy == pytest.approx(2, rel=0.05)
        assert python / top == pytest.approx(10, rel=0.1)
        kept = await tab.value("[...document.querySelectorAll('.tile')].map((one) => one.classList.contains('kept'))")
        assert kept == [True, False, True], "what the image before has too is pale"
        await tab.value("document.querySelector('.tile').dispatchEvent(new MouseEvent('click'))")
        assert await tab.value(CRUMBS) == "analysis:1›python"

    look(told(), attempt)


@pytest.mark.parametrize("width", [360, 800])
def test_names_stay_names_on_every_screen(look: Callable[[Facts, Try], None], width: int) -> None:
    async def attempt(tab: Tab) -> None:
        await tab.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        for dark in (False, True):
            await tab.screen(width, dark=dark)
            assert await tab.value("document.documentElement.scrollWidth") <= width
            ground = await tab.value("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(21, 24, 27)" if dark else "rgb(251, 250, 247)")
        assert await tab.value("document.title") == "analysis:1 · lamella"
        assert await tab.value("document.querySelectorAll('img').length") == 0
        assert "</script><script>" in await tab.value("document.body.innerText")

    look(told(), attempt)


def test_an_image_of_others_and_what_can_be_saved(look: Callable[[Facts, Try], None]) -> None:
    saved = """new Promise((done) => {
        URL.createObjectURL = (blob) => { blob.text().then(done); return "blob:none"; };
        HTMLAnchorElement.prototype.click = () => {};
        document.querySelector('.save').click(); })"""

    async def attempt(tab: Tab) -> None:
        text = await tab.value("document.body.innerText")
        assert "Hidden: 1.6 kB in 4 files" in text
        assert "package lists downloaded by apt" in text
        assert await tab.value(saved) == '{"spdxVersion": "SPDX-2.3"}'

    look(facts(foreign()), attempt)
