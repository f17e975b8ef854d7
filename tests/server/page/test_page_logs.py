"""Logs of builds, followed while they are written; and the server's own, in which no client can forge a line."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.buckets import Memory
from tests.server.page import house
from tests.server.page.house import LOG, served

from lamella.cache.bucket import Item
from lamella.cache.folder import Folder
from lamella.server.answers import NUMBER
from lamella.server.builds.log import STEADY, Log, log_name
from lamella.server.monitoring.lines import ColourFormatter, JsonFormatter, Line, as_json, in_colours

TEXT = f"/builds/{LOG}/text"


def test_a_log_is_followed_byte_by_byte(tmp_path: Path) -> None:
    bucket = Folder(tmp_path / "bucket")
    house.job(bucket, "nix/a:latest")

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            answer = await client.get(TEXT)
            assert (answer.status, await answer.text(), answer.headers["X-Build-State"]) == (200, "", "running")
            bucket.put(log_name(LOG), b"one\n")
            answer = await client.get(TEXT, headers={"Range": "bytes=0-"})
            assert (answer.status, await answer.text()) == (206, "one\n")
            assert answer.headers["Content-Range"] == "bytes 0-3/4"
            answer = await client.get(TEXT, headers={"Range": "bytes=4-"})
            assert (answer.status, answer.headers["X-Build-State"]) == (416, "running")
            bucket.put(log_name(LOG), b"one\ntwo\x1b[0m\xc2\x9b\n")
            answer = await client.get(TEXT, headers={"Range": "bytes=4-"})
            assert await answer.read() == b"two?[0m??\n"
            assert answer.headers["Content-Range"] == "bytes 4-13/14"
            whole = await client.get(TEXT)
            same = await client.get(TEXT, headers={"If-None-Match": whole.headers["ETag"]})
            assert (whole.status, same.status) == (200, 304)

    asyncio.run(ask())


def test_colours_are_left_out_and_the_beginning_stays() -> None:
    bucket = Memory()

    async def write() -> bytes:
        async with Log(bucket, LOG) as log:
            log.add(b"\x1b[1;31mred\x1b[0m\n")
        first = bucket.get(log_name(LOG)) or b""
        async with Log(bucket, LOG) as log:
            for i in range(40):
                log.add(f"{i:02}".encode() + b"x" * (STEADY // 8) + b"\n")
        return first

    assert asyncio.run(write()) == b"red\n"
    whole = bucket.get(log_name(LOG)) or b""
    assert whole[: 4 * (STEADY // 8 + 3)].count(b"\n") == 4
    assert b"... (lines are left out here)" in whole
    assert whole.rstrip().rpartition(b"\n")[2].startswith(b"39")


def test_without_scripts_a_page_of_a_running_build_comes_anew(tmp_path: Path) -> None:
    bucket = Memory()
    house.fill(bucket)

    async def ask() -> None:
        async with served(bucket, tmp_path) as client:
            for path, isit in ((f"/builds/{'a' * 32}", True), ("/builds", True), (f"/builds/{'b' * 32}", False)):
                said = await (await client.get(path)).text()
                assert ('<noscript><meta http-equiv="refresh"' in said) == isit

    asyncio.run(ask())


def test_each_request_is_a_line(tmp_path: Path) -> None:
    lines: list[Line] = []

    async def ask() -> None:
        async with served(Memory(), tmp_path, lines=lines) as client:
            answer = await client.get("/images?q=secret")
            numbers.append(answer.headers["X-Request-Id"])
            await client.get("/v2/a/manifests/v1%0aforged")
            quiet = [await client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
            numbers.extend(answer.headers["X-Request-Id"] for answer in quiet)

    numbers: list[str] = []
    asyncio.run(ask())
    assert [(line.method, line.path, line.status) for line in lines] == [
        ("GET", "/images", 200),
        ("GET", "/v2/a/manifests/v1%0Aforged", 404),
    ]
    assert lines[0].request == numbers[0]
    assert lines[0].client == "127.0.0.1"
    assert lines[0].bytes > 1000
    assert len(set(numbers)) == 4


def test_what_fails_is_found_in_the_log_by_its_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Memory):
        def list(self, prefix: str = "") -> Iterator[Item]:
            raise RuntimeError("a bug")

    async def ask() -> None:
        async with served(Broken(), tmp_path) as client:
            answer = await client.get("/images")
            said = (await answer.json())["errors"][0]["message"]
            assert answer.status == 500
            assert answer.headers["X-Request-Id"] in said
            assert answer.headers["X-Request-Id"] in caplog.text

    asyncio.run(ask())


@given(st.text(), st.text(), st.text())
def test_nobody_forges_a_line(path: str, who: str, error: str) -> None:
    line = Line("1", "127.0.0.1", who, "GET", path, 200, 5, 0.25, error)
    told = as_json(line)
    assert told.isascii()
    assert told.isprintable()
    assert json.loads(told)["who"] == who
    shown = in_colours(line)
    for code in ("2", "32", "0"):
        shown = shown.replace(f"\x1b[{code}m", "")
    assert not any(sign < " " or "\x7f" <= sign <= "\x9f" for sign in shown)


def test_other_lines_tell_the_request() -> None:
    record = logging.LogRecord("lamella.x", logging.ERROR, "", 0, "no\n\x1b[31m %s", ("a\nb",), None)
    token = NUMBER.set("abc-1")
    try:
        told = json.loads(JsonFormatter().format(record))
        shown = ColourFormatter().format(record)
    finally:
        NUMBER.reset(token)
    assert (told["request"], told["level"], told["message"]) == ("abc-1", "error", "no\n\x1b[31m a\nb")
    assert "\n" not in shown
    assert "abc-1" in shown
