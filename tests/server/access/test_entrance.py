"""Which requests pass the entrance of a running server, and what the audit log says about them."""

import asyncio
import contextlib
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector, web
from tests.server.access.house import DOWNLOAD, hashed, raw, serving, written
from tests.server.access.test_identity import SECRET, TOKEN, basic, bearer

from lamella.server.access.bodies import BodyWatch
from lamella.server.access.settings import Limits

MIXED = f'[access]\nanonymous = ["pull:public/**"]\n{TOKEN}'
PRIVATE = TOKEN
OPEN = '[access]\nanonymous = ["pull", "push", "delete"]\n'

Visit = Callable[[ClientSession, str], Awaitable[Any]]


def visiting(text: str, visit: Visit, *, loopback: bool = False, **connector: Any) -> Any:
    """Run a server with these settings; return the result of `visit`."""

    async def run() -> Any:
        async with (
            serving(text, loopback=loopback) as url,
            ClientSession(connector=TCPConnector(ssl=False, **connector)) as session,
        ):
            return await visit(session, url)

    return asyncio.run(run())


def asked(
    text: str, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
) -> tuple[int, dict[str, str], Any]:
    async def visit(session: ClientSession, url: str) -> tuple[int, dict[str, str], Any]:
        async with session.request(method, url + path, headers=headers or {}, **more) as answer:
            return answer.status, dict(answer.headers), await answer.json()

    found: tuple[int, dict[str, str], Any] = visiting(text, visit)
    return found


LARGE = 16 << 20
MANIFEST = "/v2/team/app/manifests/latest"


@pytest.mark.parametrize(
    ("text", "method", "path", "headers", "status"),
    [
        (PRIVATE, "GET", "/v2/", {}, 401),
        (PRIVATE, "GET", MANIFEST, {}, 401),
        (PRIVATE, "GET", MANIFEST, bearer(SECRET), 403),
        (PRIVATE, "PUT", MANIFEST, bearer(SECRET), 200),
        (PRIVATE, "PUT", MANIFEST, basic("x", SECRET), 200),
        (PRIVATE, "PUT", MANIFEST, bearer("wrong"), 401),
        (PRIVATE, "DELETE", MANIFEST, bearer(SECRET), 403),
        (MIXED, "GET", "/v2/public/app/manifests/latest", {}, 200),
        (MIXED, "GET", MANIFEST, {}, 401),
        (MIXED, "GET", "/v2/", {}, 401),
        (MIXED, "GET", "/v2/", bearer("anonymous"), 200),
        (OPEN, "GET", "/v2/", {}, 200),
        (OPEN, "PUT", MANIFEST, {}, 200),
        ("", "GET", MANIFEST, {}, 401),
    ],
)
def test_who_gets_in(text: str, method: str, path: str, headers: dict[str, str], status: int) -> None:
    found, told, body = asked(text, method, path, headers)
    assert found == status
    if status >= 400:
        assert body["errors"][0]["code"] == {401: "UNAUTHORIZED", 403: "DENIED"}[status]
    assert ("WWW-Authenticate" in told) == (status == 401)


def test_the_challenge_is_basic_unless_everybody_may_something() -> None:
    assert asked(PRIVATE, "GET", "/v2/")[1]["WWW-Authenticate"] == 'Basic realm="lamella"'
    assert asked(OPEN, "PUT", "/v2/a/manifests/b?action=admin")[1]["WWW-Authenticate"] == 'Basic realm="lamella"'
    told = asked(MIXED, "GET", "/v2/", {"Host": "registry.example.com:443"})[1]["WWW-Authenticate"]
    assert told == 'Bearer realm="http://registry.example.com:443/v2/token",service="lamella"'


@pytest.mark.parametrize("host", ['a"b', "a b", "a,b", "a/b"])
def test_a_strange_host_is_not_said_back(host: str) -> None:
    said = asyncio.run(_raw_to(MIXED, f"GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()))
    assert said.startswith((b"HTTP/1.1 401", b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert f"//{host}".encode() not in said


async def _raw_to(text: str, *parts: bytes, pause: float = 0) -> bytes:
    async with serving(text) as url:
        return await raw(url, *parts, pause=pause)


def test_a_token_is_the_login_itself() -> None:
    async def visit(session: ClientSession, url: str) -> list[Any]:
        found: list[Any] = []
        for headers in ({}, basic("docker", SECRET), bearer(SECRET)):
            async with session.get(
                f"{url}/v2/token?service=lamella&scope=repository:a:pull", headers=headers
            ) as answer:
                told = await answer.json()
                assert told["token"] == told["access_token"]
                assert answer.headers["Cache-Control"] == "no-store"
            async with session.put(url + MANIFEST, headers=bearer(told["token"])) as answer:
                found.append((answer.status, (await answer.json()).get("who")))
        async with session.get(f"{url}/v2/token", headers=basic("docker", "wrong")) as answer:
            found.append(answer.status)
        async with session.post(f"{url}/v2/token", data={"grant_type": "password"}) as answer:
            found.append(answer.status)
        return found

    assert visiting(MIXED, visit) == [(401, None), (200, "token:deploy"), (200, "token:deploy"), 401, 405]


def test_what_is_written_down(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    users = written(tmp_path / "htpasswd", f"alice:{hashed('wonder')}")
    text = MIXED.replace("[access]\n", f'[access]\naudit = "{log}"\nhtpasswd = "{users}"\n')

    async def visit(session: ClientSession, url: str) -> None:
        for method, path, headers in (
            ("GET", "/v2/public/app/manifests/latest", {}),
            ("GET", MANIFEST, {}),
            ("PUT", MANIFEST, {}),
            ("PUT", MANIFEST, bearer(SECRET)),
            ("PUT", "/v2/other/app/manifests/latest", bearer(SECRET)),
            ("GET", MANIFEST, bearer(SECRET)),
            ("GET", "/v2/public/app/manifests/latest?action=build", bearer(SECRET)),
            ("GET", "/v2/", basic('eve\u2028{"who"', "guess")),
            ("GET", "/v2/", bearer("guess")),
            ("PUT", "/v2/team/a%0D%7B%7D/manifests/%00", bearer(SECRET)),
        ):
            async with session.request(method, url + path, headers=headers):
                pass

    visiting(text, visit)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(one["who"], one["action"], one["name"], one["outcome"], one["status"]) for one in lines] == [
        (None, "push", "team/app", "denied", 401),
        ("token:deploy", "push", "team/app", "done", 200),
        ("token:deploy", "push", "other/app", "denied", 403),
        ("token:deploy", "pull", "team/app", "denied", 403),
        ("token:deploy", "build", "public/app", "denied", 403),
        (None, "login", 'eve\u2028{"who"', "denied", 401),
        (None, "login", "", "denied", 401),
        ("token:deploy", "push", "team/a\r{}", "done", 200),
    ]
    assert {one["client"] for one in lines} == {"127.0.0.1"}
    assert all(one["time"].endswith("+00:00") for one in lines)
    assert log.read_bytes().isascii()


def test_the_log_can_be_moved_away_and_goes_to_stdout_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "audit.jsonl"

    async def visit(session: ClientSession, url: str) -> None:
        for _ in range(2):
            async with session.put(url + MANIFEST):
                pass
            if log.exists():
                log.rename(tmp_path / "moved")

    visiting(f'{OPEN}audit = "{log}"', visit)
    assert not log.exists()
    assert len((tmp_path / "moved").read_text().splitlines()) == 1
    visiting(f'{OPEN}audit = "-"', visit)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_full_disk_stops_nobody(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = small_disk / "audit.jsonl"
    text = f'{OPEN}audit = "{log}"'

    async def visit(session: ClientSession, url: str) -> int:
        (small_disk / "filler").write_bytes(bytes(3 << 20))
        with contextlib.suppress(OSError), (small_disk / "more").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        async with session.put(url + MANIFEST) as answer:
            return answer.status

    assert visiting(text, visit) == 200
    assert "cannot write to the audit log" in caplog.text


def test_a_log_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot write the audit log"):
        visiting(f'{OPEN}audit = "{tmp_path}/none/audit.jsonl"', lambda *_: pytest.fail("it started"))


def test_who_asks_too_much_is_told_when_to_come_back() -> None:
    async def visit(session: ClientSession, url: str) -> list[tuple[int, str | None]]:
        found = []
        for _ in range(5):
            async with session.get(f"{url}{MANIFEST}") as answer:
                found.append((answer.status, answer.headers.get("Retry-After")))
        return found

    text = f"{OPEN}[limits]\nrequests_per_second = 1\nburst = 3\n"
    assert visiting(text, visit) == [(200, None)] * 3 + [(429, "1")] * 2


def test_the_rate_is_that_of_the_client_behind_the_proxy() -> None:
    async def visit(session: ClientSession, url: str) -> list[int]:
        found = []
        for last in (1, 1, 2):
            async with session.get(f"{url}{MANIFEST}", headers={"X-Forwarded-For": f"192.0.2.{last}"}) as answer:
                found.append(answer.status)
        return found

    text = f'{OPEN}trusted_proxies = ["127.0.0.1"]\n[limits]\nrequests_per_second = 1\nburst = 1\n'
    assert visiting(text, visit) == [200, 429, 200]
    assert visiting(text.replace("127.0.0.1", "127.0.0.2"), visit) == [200, 429, 429]


SMALL = f"""{OPEN}
[limits]
manifest_size = 1000
blob_size = "100 kB"
stall_seconds = 1
body_seconds = 2
header_seconds = 1
"""


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        (MANIFEST, 1000, 200),
        (MANIFEST, 1001, 413),
        ("/v2/a/blobs/uploads/1", 100_000, 200),
        ("/v2/a/blobs/uploads/1", 100_001, 413),
    ],
)
def test_bodies_that_are_too_large(path: str, size: int, status: int) -> None:
    found, _, told = asked(SMALL, "PUT", path, data=bytes(size))
    assert found == status
    assert told.get("size", told.get("errors", [{}])[0].get("code") if "errors" in told else None) in (
        size,
        "SIZE_INVALID",
    )


def test_a_body_without_a_length_is_cut_when_it_is_too_large() -> None:
    async def body() -> Any:
        while True:
            yield bytes(10_000)
            await asyncio.sleep(0.01)

    async def visit(session: ClientSession, url: str) -> int:
        async with session.put(url + MANIFEST, data=body()) as answer:
            return answer.status

    assert visiting(SMALL, visit) == 413


HEAD = b"PUT /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: a\r\n"


def test_a_body_that_stops_coming() -> None:
    said = asyncio.run(_raw_to(SMALL, HEAD + b"Content-Length: 100\r\n\r\n" + b"x" * 50))
    assert b" 408 " in said.splitlines()[0]
    assert b"no more of the body arrived within 1 s" in said


def test_a_body_that_never_ends() -> None:
    patient = SMALL.replace("stall_seconds = 1", "stall_seconds = 600")
    said = asyncio.run(_raw_to(patient, HEAD + b"Content-Length: 100\r\n\r\n", *[b"x"] * 8, pause=0.4))
    assert b" 408 " in said.splitlines()[0]
    assert b"the body did not arrive within 2 s" in said


@pytest.mark.parametrize(
    "parts", [[], [b"GET"], [b"GET / HTTP/1.1\r\n"], [b"GET / HTTP/1.1\r\na: ", *[b"b"] * 600]], ids=len
)
def test_a_head_that_does_not_come(parts: list[bytes]) -> None:
    """Nor does it help to send a little all the time: one that lasts a minute is cut off long before."""

    async def run() -> float:
        async with serving(SMALL) as url:
            start = time.monotonic()
            assert not await raw(url, *parts, pause=0.1 if len(parts) > 5 else 0)
            return time.monotonic() - start

    assert 0.9 < asyncio.run(run()) < 50


def test_a_second_head_that_does_not_come() -> None:
    first = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
    said = asyncio.run(_raw_to(SMALL, first, b"GET /v2/", pause=0.1))
    assert said.count(b"HTTP/1.1 200") == 1


def test_an_idle_connection_is_kept_longer_than_a_head_may_take() -> None:
    first = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"
    last = first.replace(b"Host: a", b"Host: a\r\nConnection: close")
    said = asyncio.run(_raw_to(SMALL, first, last, pause=1.5))
    assert said.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("head", [b"X: " + b"a" * 20_000, b"\r\n".join([b"X: a"] * 500)])
def test_heads_that_are_too_large(head: bytes) -> None:
    said = asyncio.run(_raw_to(OPEN, b"GET /v2/ HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n"))
    assert b" 400 " in said.splitlines()[0] or b" 431 " in said.splitlines()[0]


def test_an_answer_that_nobody_takes() -> None:
    async def run() -> None:
        async with serving(SMALL) as url:
            host, _, port = url.partition("//")[2].partition(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
            writer.write(b"GET /download HTTP/1.1\r\nHost: a\r\n\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(4)
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            taken = 0
            try:
                while block := await asyncio.wait_for(reader.read(1 << 20), 5):
                    taken += len(block)
            except ConnectionError:
                pass
            writer.close()
            assert taken < DOWNLOAD

    asyncio.run(run())


ASK = b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def held(url: str, count: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Open idle connections, and wait until the server knows them; give what closes them."""
    host, _, port = url.partition("//")[2].partition(":")
    pairs = [await asyncio.open_connection(host, int(port)) for _ in range(count)]

    async def release() -> None:
        for reader, writer in pairs:
            writer.write_eof()
            await reader.read()
            writer.close()
            await writer.wait_closed()

    try:
        yield release
    finally:
        for _, writer in pairs:
            writer.close()


def test_connections_of_one_client() -> None:
    async def run() -> list[bytes]:
        async with serving(f"{OPEN}[limits]\nconnections_per_client = 2\n") as url, held(url, 2) as release:
            refused = await raw(url, ASK.replace(b"Connection: close\r\n", b""))
            await release()
            return [refused, await raw(url, ASK)]

    refused, granted = asyncio.run(run())
    assert refused.startswith(b"HTTP/1.1 429")
    assert b"Retry-After: 1" in refused
    assert b"TOOMANYREQUESTS" in refused
    assert granted.startswith(b"HTTP/1.1 200")


def test_a_trusted_proxy_may_have_more_connections() -> None:
    async def visit(session: ClientSession, url: str) -> set[int]:
        async def one() -> int:
            async with session.get(url + MANIFEST) as answer:
                return answer.status

        return set(await asyncio.gather(*(one() for _ in range(20))))

    text = f'{OPEN}trusted_proxies = ["127.0.0.1"]\n[limits]\nconnections_per_client = 1\n'
    assert visiting(text, visit) == {200}


def test_connections_in_total() -> None:
    async def run() -> list[bytes]:
        async with serving(f"{OPEN}[limits]\nconnections = 2\n") as url, held(url, 2) as release:
            refused = await raw(url, ASK)
            await release()
            return [refused, await raw(url, ASK)]

    refused, granted = asyncio.run(run())
    assert refused == b""
    assert granted.startswith(b"HTTP/1.1 200")


def test_a_pause_of_the_server_is_not_the_clients() -> None:
    """A client that cannot send because the server does not read is not cut off."""
    limits = Limits(stall_seconds=1)

    async def slow(request: web.Request) -> web.StreamResponse:
        with BodyWatch(request, limits):
            await asyncio.sleep(2.5)
            return web.json_response(sum([len(block) async for block in request.content.iter_any()]))

    async def run() -> Any:
        app = web.Application()
        app.add_routes([web.put("/v2/a/blobs/uploads/1", slow)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = "http://{}:{}/v2/a/blobs/uploads/1".format(*runner.addresses[0])
        try:
            async with ClientSession() as session, session.put(address, data=io.BytesIO(bytes(LARGE))) as answer:
                return await answer.json()
        finally:
            await runner.cleanup()

    assert asyncio.run(run()) == LARGE


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("registry.localhost", 200),
        ("evil.example.org:8080", 403),
        ("10.0.0.1", 403),
        ("localhost.example.org", 403),
        ("[::1", 403),
    ],
)
@pytest.mark.parametrize("text", ["", '[access]\nanonymous = ["pull"]\n'])
def test_pages_of_elsewhere_do_not_get_in_by_a_browser_here(host: str, status: int, text: str) -> None:
    async def visit(session: ClientSession, url: str) -> int:
        async with session.get(url + MANIFEST, headers={"Host": host}) as answer:
            return answer.status

    assert visiting(text, visit, loopback=True) == (200 if text else status)


@pytest.mark.parametrize("loopback", [False, True])
@pytest.mark.parametrize(
    ("path", "site", "mode", "is_refused"),
    [
        (MANIFEST, "cross-site", "no-cors", True),
        (MANIFEST, "same-site", "no-cors", True),
        (MANIFEST, "cross-site", "navigate", True),
        ("/nix/main/x.narinfo", "cross-site", "no-cors", True),
        ("/nix/main", "cross-site", "navigate", False),
        ("/images", "cross-site", "navigate", False),
        (MANIFEST, "same-origin", "cors", False),
        (MANIFEST, "none", "navigate", False),
        (MANIFEST, "", "", False),
    ],
)
def test_pages_of_other_sites_cannot_have_anything_built(
    path: str, site: str, mode: str, is_refused: bool, loopback: bool
) -> None:
    """The page does not see the answer, but its requests arrive, with the login that the browser remembers."""
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode} if site else {}

    async def visit(session: ClientSession, url: str) -> int:
        async with session.get(url + path, headers={"Host": "localhost:8080", **headers}) as answer:
            return answer.status

    assert (visiting("" if loopback else OPEN, visit, loopback=loopback) == 403) == is_refused
