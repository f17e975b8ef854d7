"""Every page: with nothing to show, with something, and with malicious content."""

import asyncio
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from tests.buckets import Memory
from tests.server.page import house
from tests.server.page.house import LOG, Client, Made, served
from tests.server.page.markup import Page, read

from lamella.cache.folder import Folder
from lamella.cache.repositories import Repository
from lamella.oci import media
from lamella.oci.wire import RuntimeConfig
from lamella.server.page import render

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>&lt;{{7*7}}\x1b[31m\u202e"""


async def page(client: Client, address: str, status: int = 200) -> Page:
    answer = await client.get(address, headers=BROWSER)
    assert answer.status == status, address
    assert answer.content_type == "text/html"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return read(await answer.text())


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.mark.parametrize("kind", ["nothing", "everything"])
def test_all_pages_lead_to_pages(tmp_path: Path, kind: str) -> None:
    bucket = Memory()
    if kind == "everything":
        house.fill(bucket)

    async def crawl() -> set[str]:
        seen, todo = set[str](), ["/"]
        async with served(bucket, tmp_path) as client:
            while todo:
                address = todo.pop()
                if address in seen or address.startswith("/v2/"):
                    continue
                seen.add(address)
                answer = await client.get(address, headers=BROWSER)
                assert answer.status == 200, address
                if answer.content_type != "text/html":
                    continue
                found = read(await answer.text())
                for link in found.links:
                    target, _, fragment = link.partition("#")
                    assert target or fragment in found.ids, (address, link)
                    if target:
                        todo.append(urljoin(address, target))
                for element in found.elements:
                    todo += [element.attributes.get("src") or ""] if element.attributes.get("src") else []
        return seen

    seen = asyncio.run(crawl())
    assert {"/", "/images", "/builds", "/metrics"} <= seen
    if kind == "everything":
        shapes = {re.sub("[0-9a-f]{32,}", "HEX", address) for address in seen}
        assert {"/images/nix/shell/git/-/latest", "/images/nix/shell/git/-/sha256:HEX", "/builds/HEX/text"} <= shapes
        assert any("?platform=" in address for address in shapes)


def test_how_to_pull_is_told_as_the_client_found_us(tmp_path: Path) -> None:
    async def ask() -> None:
        async with served(Memory(), tmp_path, f'{house.SOURCES}[access]\nanonymous = ["pull", "build"]\n') as client:
            for host, shown in (
                ("registry.example.com", "docker pull registry.example.com/shell/git/htop"),
                ("[::1]:8080", "docker pull [::1]:8080/shell/git/htop"),
                ("box", "docker pull box:80/shell/git/htop"),
                ("a<b", "docker pull HOST/shell/git/htop"),
            ):
                answer = await client.get("/", headers={"Host": host})
                codes = [element.text for element in read(await answer.text()).all("code")]
                assert shown in codes
            assert "podman pull --tls-verify=false" in await answer.text()

    run(ask())


PYPI = '[[source]]\nname = "py3.12"\nkind = "pypi"\npython = { version = "3.12" }\n'
SPECS = '[[source]]\nname = "images"\nkind = "specs"\nfrom = "/srv/images"\n'


@pytest.mark.parametrize(
    ("settings", "told", "hint"),
    [
        ("", "This registry stores images", ""),
        (SPECS, "Each image is built from its spec", ""),
        (PYPI, "Write the packages you want", "numpy/pandas"),
        (SPECS + PYPI, "Write the packages you want", "py3.12/numpy/pandas"),
    ],
)
def test_the_home_page_says_what_this_server_does(tmp_path: Path, settings: str, told: str, hint: str) -> None:
    async def ask() -> None:
        async with served(Memory(), tmp_path, settings) as client:
            found = await page(client, "/")
            assert told in found.text
            assert ("built when you pull" in found.text) == bool(settings)
            assert ("any number of packages" in found.text) == bool(hint)
            assert "deb/" not in found.text
            assert not hint or hint in [element.text for element in found.all("code")]

    run(ask())


def test_what_is_new_is_told_even_if_nothing_stays(tmp_path: Path) -> None:
    bucket = Memory()
    repository = Repository(bucket, "team/app")
    for tag, size in (("v1", 1000), ("v2", 2000)):
        repository.tag(tag, house.image(repository, [Made(tag, size)]).digest)

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            found = await page(client, "/images/team/app/-/v2")
            assert "everything; it shares no layer with v1" in " ".join(found.text.split())

    run(ask())


def test_an_image_is_shown_with_its_layers_and_packages(tmp_path: Path) -> None:
    bucket = Memory()
    house.fill(bucket)

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            found = await page(client, "/images/nix/shell/git/-/latest")
            assert "118 MB in 6 layers" in found.text
            assert "33.5 MB; the rest is also in" in found.text
            pictures = found.all("svg")
            assert [element.attributes["class"] for element in pictures] == ["picture wide", "picture narrow"]
            titles = [element.text for element in found.all("title")]
            assert "git: 33.5 MB" in titles
            assert "perl: 21.0 MB, unchanged" in titles
            assert "coreutils: 12.1 MB unpacked, in tools" in titles
            assert "/nix/store/coreutils-1.0" in [element.text for element in found.all("th")]
            assert "13 smaller: " in " ".join(titles)
            other = await page(client, "/images/nix/shell/git/-/latest?platform=linux/arm64")
            assert [e.text for e in other.all("a") if e.attributes.get("aria-current") == "true"] == ["linux/arm64"]
            first = await page(client, "/images/nix/shell/git/-/2.44")
            assert "unchanged" not in first.text

    run(ask())


def test_what_refers_to_an_image_is_shown_with_it(tmp_path: Path) -> None:
    bucket = Memory()
    repository = Repository(bucket, "team/app")
    one = house.image(repository, [Made("all", 1000)])
    repository.tag("v1", one.digest)
    note = house.refer(repository, one.digest, "application/spdx+json", {"org.example.by": "somebody"})

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            found = await page(client, "/images/team/app/-/v1")
            assert f"/images/team/app/-/{note}" in found.links
            assert "application/spdx+json" in found.text
            referrer = await page(client, f"/images/team/app/-/{note}")
            assert "somebody" in referrer.text
            listed = await page(client, "/images/team/app")
            assert len(listed.all("tbody")) == 1
            assert "application/spdx+json" not in listed.text

    run(ask())


def test_nothing_that_is_shown_can_do_harm(tmp_path: Path) -> None:
    bucket = Memory()
    repository = Repository(bucket, "team/app")
    runtime = RuntimeConfig(env=[EVIL], cmd=[EVIL], labels={EVIL: EVIL}, user=EVIL)
    packages = {EVIL: 1000, "b": 100}
    one = house.image(repository, [Made(EVIL, 9000, packages)], runtime=runtime, annotations={EVIL: EVIL})
    repository.tag("v1", one.digest)
    odd = house.image(repository, [Made("x", 1)], architecture=EVIL)
    repository.tag("v2", house.index(repository, odd).digest)
    house.refer(repository, one.digest, EVIL, {EVIL: EVIL})
    failed: dict[str, Any] = {"state": "failed", "message": EVIL, "ended": 1.0}
    house.job(bucket, f"{EVIL}:{EVIL}", LOG, EVIL.encode() + b"\n", **failed)

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            for address in (
                "/",
                "/images",
                "/images/team/app",
                "/images/team/app/-/v1",
                "/images/team/app/-/v2",
                f"/images/team/app/-/{one.digest}",
                "/builds",
                f"/builds/{LOG}",
            ):
                found = await page(client, address)
                assert not [e for e in found.all("script") if not (e.attributes["src"] or "").startswith("/assets/")]
                assert not [e for e in found.all("img") if e.attributes["src"] == "x"]
                assert "\x1b" not in found.text
                assert "\u202e" not in found.text
                assert "49" not in [e.text for e in found.elements]
            assert "<script>alert(1)</script>" in (await page(client, "/images/team/app/-/v1")).text
            answer = await client.get(f"/builds/{LOG}/text", headers=BROWSER)
            assert (answer.content_type, answer.headers["X-Content-Type-Options"]) == ("text/plain", "nosniff")
            assert b"\x1b" not in await answer.read()

    run(ask())


@pytest.mark.parametrize(
    "path",
    [
        "/images/Team",
        "/images/../etc",
        "/images/%2e%2e/%2e%2e/etc/passwd",
        "/images/a%00b",
        "/images/a/-/../../x",
        "/images/a/-/sha256:zz",
        "/images/a/-/",
        "/images/a/-/%3Cscript%3E",
        "/images/nobody/has/this",
        "/images/a?page=-1",
        "/images?page=x",
        "/images/" + "a" * 3000,
        "/builds/..%2f..%2fetc",
        "/builds/" + "A" * 32,
        "/builds/" + "0" * 32,
        "/builds/" + "0" * 32 + "/text",
        "/builds?page=1e9",
        "/assets/../render.py",
        "/assets/%2e%2e%2frender.py",
        "/nope",
        "/" + EVIL.replace("\x1b", "%1b"),
    ],
)
def test_what_is_not_there_is_a_page_for_people_and_json_for_programs(tmp_path: Path, path: str) -> None:
    async def ask() -> None:
        async with served(Folder(tmp_path / "bucket"), tmp_path) as client:
            answer = await client.get(path, headers=BROWSER)
            assert 400 <= answer.status < 500
            read(await answer.text())
            answer = await client.get(path)
            assert 400 <= answer.status < 500
            assert (await answer.json())["errors"][0]["message"]

    run(ask())


def test_registries_and_caches_answer_in_their_own_words_whoever_asks(tmp_path: Path) -> None:
    async def ask() -> None:
        async with served(Memory(), tmp_path) as client:
            for path in ("/v2/a/manifests/!", "/v2/A/tags/list"):
                answer = await client.get(path, headers=BROWSER)
                assert answer.content_type == "application/json"

    run(ask())


def test_what_cannot_be_read_is_shown_for_what_it_is(tmp_path: Path) -> None:
    bucket = Memory()
    repository = Repository(bucket, "team/app")
    for tag, data, kind in (
        (
            "no-config",
            b'{"schemaVersion":2,"config":{"mediaType":"'
            + media.CONFIG.encode()
            + b'","digest":"sha256:'
            + b"0" * 64
            + b'","size":2},"layers":[{"mediaType":"x","digest":"sha256:'
            + b"1" * 64
            + b'","size":-5}]}',
            media.MANIFEST,
        ),
        ("no-parts", b'{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"b","size":1}]}', media.INDEX),
        ("nothing", b"{}", media.MANIFEST),
    ):
        repository.tag(tag, house.put(repository, data, kind).digest)
    house.put(repository, b"[[[[", media.MANIFEST)

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            assert "no-config" in (await page(client, "/images/team/app")).text
            for tag in ("no-config", "no-parts", "nothing"):
                await page(client, f"/images/team/app/-/{tag}")

    run(ask())


def test_lists_are_shown_a_page_at_a_time_and_can_be_searched(tmp_path: Path) -> None:
    bucket = Memory()
    for i in range(120):
        house.image(Repository(bucket, f"team/app-{i:03}"), [Made("all", 1000)])

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            first = await page(client, "/images")
            assert "team/app-049" in first.text
            assert "team/app-050" not in first.text
            last = await page(client, "/images?page=3")
            assert [e.attributes["href"] for e in last.all("a") if e.attributes.get("rel")] == ["/images?page=2"]
            assert "team/app-119" in (await page(client, "/images?page=999")).text
            found = await page(client, "/images?q=app-11")
            assert len([link for link in found.links if link.startswith("/images/")]) == 10
            await page(client, "/images?q=%22%3E%3Cscript%3E")

    run(ask())


def test_templates_escape_everything() -> None:
    folder = Path(render.__file__).parent / "templates"
    for file in folder.iterdir():
        text = file.read_text()
        assert "|safe" not in text.replace(" ", "")
        assert "autoescape" not in text
    assert "Markup" not in Path(render.__file__).read_text()
