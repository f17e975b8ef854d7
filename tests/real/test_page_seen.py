"""The pages in a real browser: what it makes of them, with scripts and without, wide and narrow, light and dark."""

import asyncio
import itertools
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from tests.buckets import Memory
from tests.real.browser import BROWSER, QUIET, browser
from tests.real.programs import needs, run
from tests.server.page import house
from tests.server.running import running

from lamella.cache.repositories import Repository
from lamella.oci.image import Buffer

pytestmark = pytest.mark.real

SETTLED = "--virtual-time-budget=6000"
DARK = "--blink-settings=preferredColorScheme=0"
HEIGHT = 1000
IMAGE = "/images/nix/shell/git/-/latest"
LOG = f"/builds/{'a' * 32}"

Look = Callable[..., str]
Pixel = tuple[int, int, int]


@pytest.fixture(scope="module")
def bucket() -> Memory:
    found = Memory()
    house.fill(found)
    return found


@pytest.fixture(scope="module")
def address(bucket: Memory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needs(BROWSER)
    with house.server(bucket, tmp_path_factory.mktemp("server")) as make, running(make) as name:
        yield f"http://{name}"


@pytest.fixture
def browse(address: str, tmp_path: Path) -> Look:
    """What the browser makes of a page."""

    def look(path: str, *options: str, at: str = address) -> str:
        return run(BROWSER, *QUIET, SETTLED, f"--user-data-dir={tmp_path}/user", *options, f"{at}{path}")

    return look


def seen(browse: Look, path: str, file: Path, width: int, *options: str) -> list[list[Pixel]]:
    """The pixels of a page."""
    browse(path, f"--screenshot={file}", f"--window-size={width},{HEIGHT}", *options)
    return pixels(file.read_bytes())


def pixels(png: bytes) -> list[list[Pixel]]:
    """The pixels of a picture as this browser writes it: eight bits a colour."""
    width, height, bits, kind = struct.unpack(">IIBB", png[16:26])
    count = {2: 3, 6: 4}[kind]
    assert bits == 8
    data, at = b"", 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        data += png[at + 8 : at + 8 + size] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += 12 + size
    lines, before, step = zlib.decompress(data), bytes(width * count), width * count + 1
    rows = []
    for y in range(height):
        line = lines[y * step : (y + 1) * step]
        before = unfiltered(line[0], line[1:], before, count)
        rows.append([(before[x], before[x + 1], before[x + 2]) for x in range(0, len(before), count)])
    return rows


def unfiltered(how: int, line: bytes, above: bytes, count: int) -> bytes:
    """A line of a PNG, as it is."""
    out = bytearray(line)
    for i in range(len(out) if how else 0):
        left = out[i - count] if i >= count else 0
        corner = above[i - count] if i >= count else 0
        out[i] = (out[i] + (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[how]) & 255
    return bytes(out)


def paeth(left: int, above: int, corner: int) -> int:
    """The one of three that is nearest to what they predict."""
    guess = left + above - corner
    return min((abs(guess - one), i, one) for i, one in enumerate((left, above, corner)))[2]


def test_pages_are_light_or_dark_as_it_is_wished(browse: Look, tmp_path: Path) -> None:
    light = seen(browse, "/", tmp_path / "light.png", 500)
    dark = seen(browse, "/", tmp_path / "dark.png", 500, DARK)
    assert min(light[-1][0]) > 230
    assert max(dark[-1][0]) < 50
    assert len({pixel for row in dark for pixel in row}) > 50


def test_the_picture_shows_layers_in_their_colours(browse: Look, tmp_path: Path) -> None:
    found = seen(browse, IMAGE, tmp_path / "image.png", 1000)
    colours = {pixel for row in found for pixel in row if max(pixel) - min(pixel) > 40}
    new = (0xB4, 0xCD, 0xEA)
    assert new in colours, "the layer that is new has the full colour of its place"
    assert sum(row.count(new) for row in found) > 20_000


def test_the_picture_is_walked_by_keys(address: str, tmp_path: Path) -> None:
    async def walk() -> None:
        async with browser(tmp_path / "user") as tab:
            await tab.open(address + IMAGE)
            await tab.value("document.querySelector('.tile[tabindex=\"0\"]').focus()")
            await tab.press("End", "Enter")
            assert await tab.value("document.querySelector('.crumbs').textContent") == "nix/shell/git:latest›git"
            assert "git: 101 MB" in await tab.value("document.activeElement.getAttribute('aria-label')")
            await tab.press("Escape")
            assert "git: 33.5 MB" in await tab.value("document.activeElement.getAttribute('aria-label')")
            assert not tab.trouble

    asyncio.run(asyncio.wait_for(walk(), 60))


@pytest.mark.parametrize("path", ["/", "/images", "/images/nix/shell/git", IMAGE, "/builds", LOG])
def test_nothing_reaches_beyond_a_narrow_screen(browse: Look, tmp_path: Path, path: str) -> None:
    """What is too wide makes a telephone show the page smaller, so the empty border on the right is not empty."""
    found = seen(browse, path, tmp_path / "narrow.png", 500, "--force-device-scale-factor=1")
    ground = found[-1][-1]
    assert all(row[-3:] == [ground] * 3 for row in found)


def test_without_scripts_all_is_there(browse: Look, bucket: Memory, tmp_path: Path) -> None:
    """But for buttons that copy, which are small. A browser takes pictures by scripts, so ours do not arrive."""

    @web.middleware
    async def hold(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith(".js"):
            raise web.HTTPNotFound
        return await handler(request)

    with house.server(bucket, tmp_path) as make:

        def bare() -> web.Application:
            app = make()
            app.middlewares.append(hold)
            return app

        with running(bare) as name:
            without = seen(partial(browse, at=f"http://{name}"), "/builds", tmp_path / "without.png", 700)
            said = browse(IMAGE, "--dump-dom", at=f"http://{name}")
    found = seen(browse, "/builds", tmp_path / "with.png", 700)
    pairs = zip(itertools.chain(*found), itertools.chain(*without), strict=True)
    assert sum(one != other for one, other in pairs) < 0.01 * len(found) * len(found[0])
    assert len({pixel for row in without for pixel in row}) > 50
    assert "coreutils-1.0" in said
    assert "copy</button>" not in said


def test_scripts_of_ours_run_and_no_others(browse: Look, bucket: Memory) -> None:
    evil = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
    repository = Repository(bucket, "evil")
    repository.tag("v1", house.image(repository, [house.Made(evil, 10)], annotations={evil: evil}).digest)
    found = browse("/images/evil/-/v1", "--dump-dom")
    assert "<title>evil v1 · lamella</title>" in found
    assert found.count("onerror") > 1
    assert 'class="copy"' in browse("/", "--dump-dom")


class Growing(Memory):
    """A bucket in which a log is longer whenever it was read."""

    def read(self, name: str, start: int = 0, count: int | None = None) -> Iterator[Buffer]:
        yield from list(super().read(name, start, count))
        said = self.get(name) or b""
        if name.startswith("logs/") and said.count(b"\n") < 4:
            self.put(name, said + b"line <b>%d</b>\n" % said.count(b"\n"))


def test_a_log_grows_while_it_is_looked_at(tmp_path: Path) -> None:
    needs(BROWSER)
    bucket = Growing()
    house.job(bucket, "nix/git:latest", house.LOG, b"line <b>0</b>\n")
    with house.server(bucket, tmp_path) as make, running(make) as name:
        address = f"http://{name}/builds/{house.LOG}"
        found = run(BROWSER, *QUIET, SETTLED, f"--user-data-dir={tmp_path}/user", "--dump-dom", address)
    shown = re.search(r'<pre class="log"[^>]*>(.*?)</pre>', found, re.DOTALL)
    assert shown
    assert shown[1] == "".join(f"line &lt;b&gt;{i}&lt;/b&gt;\n" for i in range(4))
