"""Which client can see what."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from tests.buckets import Memory
from tests.server.access.house import hashed
from tests.server.page import house
from tests.server.page.house import Client, Made, served
from tests.server.page.markup import read

from lamella.cache.repositories import Repository

OPEN, HIDDEN, OLD = "a" * 32, "b" * 32, "c" * 32
PAGES = ["/", "/images", "/builds", "/images/open/app", f"/builds/{OPEN}"]


def bucket() -> Memory:
    found = Memory()
    for name in ("open/app", "hidden/app"):
        house.image(Repository(found, name), [Made("all", 1000)])
    house.job(found, "nix/open/app:latest", OPEN, b"open log\n")
    house.job(found, "nix/hidden/app:latest", HIDDEN, b"hidden log\n")
    found.put(f"logs/{OLD}", b"old log\n")
    return found


def settings(tmp_path: Path, access: str) -> str:
    file = tmp_path / "htpasswd"
    file.write_text(f"alice:{hashed('wonder')}\nroot:{hashed('toor')}\n")
    return f"""
[access]
{access}
htpasswd = "{file}"
[[access.user]]
name = "alice"
rights = ["pull:hidden/**"]
[[access.user]]
name = "root"
rights = ["admin"]
{house.SOURCES}"""


def login(user: str, password: str) -> dict[str, str]:
    from aiohttp import encode_basic_auth

    return {"Authorization": encode_basic_auth(user, password)}


ALICE, ROOT = ("alice", "wonder"), ("root", "toor")


async def text(client: Client, path: str, who: tuple[str, str] | None = None, status: int = 200) -> str:
    headers = {"Accept": "text/html", **(login(*who) if who else {})}
    answer = await client.get(path, headers=headers, allow_redirects=False)
    assert answer.status == status, path
    return await answer.text()


def test_pages_show_what_may_be_pulled(tmp_path: Path) -> None:
    async def ask() -> None:
        async with served(bucket(), tmp_path, settings(tmp_path, 'anonymous = ["pull:open/**"]')) as client:
            for path in PAGES:
                said = await text(client, path)
                assert "open" in said
                assert "hidden" not in said
            assert "hidden/app" in await text(client, "/images", ALICE)
            assert "open/app" in await text(client, "/images", ALICE)
            for path in ("/images/hidden/app", "/images/hidden/app/-/latest"):
                await text(client, path, status=401)
            assert "hidden/app" in await text(client, "/images/hidden/app", ALICE)
            for path in (f"/builds/{HIDDEN}", f"/builds/{HIDDEN}/text"):
                await text(client, path, status=404)
                assert "hidden log" in await text(client, path, ALICE)

    asyncio.run(ask())


def test_a_log_whose_build_is_forgotten_is_shown_to_who_knows_its_name(tmp_path: Path) -> None:
    async def ask() -> None:
        async with served(bucket(), tmp_path, settings(tmp_path, 'anonymous = ["pull:open/**"]')) as client:
            assert "old log" in await text(client, f"/builds/{OLD}")
            assert OLD not in await text(client, "/builds")

    asyncio.run(ask())


def test_who_may_nothing_is_asked_who_they_are(tmp_path: Path) -> None:
    async def ask() -> None:
        async with served(bucket(), tmp_path, settings(tmp_path, "anonymous = []")) as client:
            for path in [*PAGES, "/metrics", "/login"]:
                answer = await client.get(path, headers={"Accept": "text/html"})
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"].startswith("Basic ")
                if path != "/metrics":
                    assert [e.text for e in read(await answer.text()).all("h1")] == ["Log in first"]
            for path in ("/healthz", "/readyz"):
                assert (await client.get(path)).status == 200
            assert "hidden" in await text(client, "/images", ALICE)

    asyncio.run(ask())


def test_browsers_can_log_in_where_nobody_has_to(tmp_path: Path) -> None:
    async def ask() -> None:
        async with served(bucket(), tmp_path, settings(tmp_path, 'anonymous = ["pull:open/**"]')) as client:
            assert "/login" in read(await text(client, "/")).links
            answer = await client.get("/login", headers={"Accept": "text/html"})
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="lamella"')
            answer = await client.get("/login", headers=login(*ALICE), allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            assert "alice" in await text(client, "/", ALICE)
            answer = await client.get("/v2/")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("access", "everybody"),
    [("", True), ('anonymous = ["pull", "build"]', False), ('trusted_proxies = ["10.0.0.1"]', False)],
)
def test_numbers_are_for_who_rules_the_server(tmp_path: Path, access: str, everybody: bool) -> None:
    async def ask() -> None:
        async with served(bucket(), tmp_path, settings(tmp_path, access)) as client:
            assert (await client.get("/metrics")).status == (200 if everybody else 401)
            if "trusted" not in access:
                assert ("Statistics" in await text(client, "/")) == everybody
            assert (await client.get("/metrics", headers=login(*ALICE))).status == (200 if everybody else 403)
            assert (await client.get("/metrics", headers=login(*ROOT))).status == 200

    asyncio.run(ask())


def test_looking_is_not_written_down_as_a_change(tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    audit.touch()

    async def ask() -> None:
        access = f'anonymous = ["pull"]\naudit = "{audit}"'
        async with served(bucket(), tmp_path, settings(tmp_path, access)) as client:
            for path in [*PAGES, "/metrics"]:
                assert (await client.get(path, headers=login(*ROOT))).status == 200

    asyncio.run(ask())
    assert audit.read_text() == ""


def test_a_build_nobody_is_heard_of_is_lost(tmp_path: Path) -> None:
    found = Memory()
    house.job(found, "nix/a:latest", OPEN, until=time.time() - 1)

    async def ask() -> None:
        async with served(found, tmp_path) as client:
            said = read(await text(client, "/builds"))
            assert [e.text for e in said.all("span") if "state" in (e.attributes.get("class") or "")] == ["lost"]
            assert "http-equiv" not in await text(client, "/builds")

    asyncio.run(ask())


def test_a_known_user_who_is_refused_the_metrics_is_in_the_audit_log(tmp_path: Path) -> None:
    audit = tmp_path / "audit"

    async def ask() -> None:
        access = f'anonymous = ["pull"]\naudit = "{audit}"'
        async with served(bucket(), tmp_path, settings(tmp_path, access)) as client:
            for who, status in ((ROOT, 200), (ALICE, 403)):
                assert (await client.get("/metrics", headers=login(*who))).status == status

    asyncio.run(ask())
    (line,) = map(json.loads, audit.read_text().splitlines())
    assert (line["who"], line["action"], line["name"], line["outcome"]) == ("alice", "admin", "metrics", "denied")
