"""Whatever nonsense is sent, the answer is a refusal, and nothing unintended is written."""

import asyncio
import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.served import OPEN, WRITABLE, Served, served
from tests.server.registry.asking import Asking, descriptor, image_of

from lamella.oci import media
from lamella.oci.digest import Digest, sha256

DIGEST = sha256(b"{}")
SETTINGS = "[[nix]]\nname = 'main'\n[limits]\nheader_seconds = 1\nstall_seconds = 1\n"
GROWTH = 100 << 20
_ITEMS = re.compile(
    r"layers/([0-9a-f]{64}|[0-9a-f]{128})|uploads/[0-9a-f]{32}/(session|[0-9a-f-]+)"
    r"|repositories/[a-z0-9/._-]+/_(blobs|manifests|referrers)/sha(256|512)-[0-9a-f]+(/sha(256|512)-[0-9a-f]+)?"
    r"|repositories/[a-z0-9/._-]+/_tags/[A-Za-z0-9._-]+|(used|pulls|gc|nixlogs)/.*|\.lock"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    with served(folder, config=f"{WRITABLE}{SETTINGS}{OPEN}") as process:
        ask = Asking(process.host)
        ask.blob(b"{}")
        ask.image(tag="latest")
        ask.close()
        before = process.peak
        yield process
        assert process.peak < before + GROWTH
        assert "Traceback" not in process.log
        assert '"level":"error"' not in process.log
        files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
        outside = {str(path) for path in files if path.parts[0] != "bucket"}
        assert outside == {"server.toml"}
        items = [path.relative_to("bucket").as_posix() for path in files if path.parts[0] == "bucket"]
        assert [item for item in items if not _ITEMS.fullmatch(item)] == []


@pytest.fixture
def ask(server: Served) -> Iterator[Asking]:
    with contextlib.closing(Asking(server.host)) as asking:
        yield asking


def said(host: str, *parts: bytes) -> bytes:
    """Return what the server sends until it closes the connection."""
    name, port = host.split(":")
    answer = bytearray()
    with socket.create_connection((name, int(port)), timeout=10) as client, contextlib.suppress(ConnectionError):
        with contextlib.suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
        while block := client.recv(1 << 16):
            answer += block
    return bytes(answer)


def check(answer: bytes) -> int:
    """Return the status of an answer, after checking that it is well-formed."""
    match = re.match(rb"(?:HTTP/1.1 100 [^\r]+\r\n\r\n)?HTTP/1\.[01] ([234][0-9]{2}) ", answer)
    assert match, answer[:300]
    assert b"Traceback" not in answer
    return int(match[1])


_ODD = ". .. %2e%2e %2E. %00 %2f %2F..%2F %5c.. \\.. %0a %0d%0aX:%20y %ff % %zz %C3%A9 _blobs - * ~ ;x=y @ :"
_KNOWN = "A a team team/app blobs manifests uploads tags list referrers _catalog token nix main nar images builds"
_LONG = ("", "sha256:", "a" * 128, "a" * 256, "a" * 5000, "0" * 32, DIGEST, DIGEST.upper(), f"sha512:{'0' * 128}")
SEGMENTS = st.sampled_from([*_ODD.split(), *_KNOWN.split(), *_LONG])
_HASH = "0" * 32
_NAR = f"nar/{'0' * 52}.nar"
_PAGES = "/ /login /images /builds /builds/x/text /assets/x /metrics /healthz /readyz /v2/token /v2/_catalog"
_NIX = f"nix-cache-info {_HASH}.narinfo {_HASH}.ls {_NAR} {_NAR}.xz {_NAR}.zst log/{_HASH}-x.drv"
PLACES = st.sampled_from([*_PAGES.split(), *(f"/nix/main/{file}" for file in _NIX.split())])
PATHS = st.one_of(
    st.tuples(PLACES, st.lists(SEGMENTS, max_size=2)).map(lambda parts: "/".join([parts[0], *parts[1]]).encode()),
    st.lists(SEGMENTS, max_size=7).map(lambda parts: f"/v2/{'/'.join(parts)}".encode()),
    st.lists(SEGMENTS, max_size=4).map(lambda parts: f"/{'/'.join(parts)}".encode()),
    st.sampled_from([b"*", b"//", b"http://other/v2/", b"http://[::1/", b"//[", b"?", b"/v2/?", b"/v2/#x"]),
    st.text(st.characters(codec="latin-1", exclude_characters=" \r\n"), min_size=1).map(lambda t: f"/v2/{t}".encode()),
)
VALUES = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "2", "9" * 50, "1e9", "%00", "%ff", "%ed%a0%80", "+", "&", "=", "a" * 2000, "../.."]
    )
    | st.sampled_from([DIGEST, "sha256:x", "sha512", "team/app", "latest", "*", media.INDEX])
)
KEYS = st.sampled_from(["n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm", "x", ""])
QUERIES = st.lists(st.tuples(KEYS, VALUES), max_size=4).map(lambda ps: "&".join(f"{k}={v}" for k, v in ps).encode())
METHODS = st.sampled_from(
    [b"GET", b"HEAD", b"PUT", b"POST", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"X"]
)
_NAMES = "Range If-None-Match If-Range Content-Range Content-Type Content-Encoding Accept Accept-Encoding Authorization"
NAMES = st.sampled_from(f"{_NAMES} Cookie Expect Upgrade Host X-Forwarded-For X-Forwarded-Proto".split())
TOLD = st.one_of(
    st.sampled_from(["bytes=0-", "bytes=5-1", "0-1", "bytes 0-1/2", '"x"', "W/", "*", '"', "Basic !!!!", "Basic Og=="])
    | st.sampled_from(
        ["Bearer eyJ.a.b", "Bearer", media.MANIFEST, "a" * 9000, "gzip", "100-continue", "::1", "1.2.3.4,"]
    ),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30),
)
HEADERS = st.lists(st.tuples(NAMES, TOLD), max_size=3)
BODIES = st.one_of(st.none(), st.binary(max_size=50), st.sampled_from([b"{}", b"[" * 5000]))


@given(METHODS, PATHS, QUERIES, HEADERS, BODIES, st.booleans())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_has_a_clean_answer(
    server: Served,
    method: bytes,
    path: bytes,
    query: bytes,
    headers: list[tuple[str, str]],
    body: bytes | None,
    chunked: bool,
) -> None:
    head = method + b" " + path + (b"?" + query if query else b"") + b" HTTP/1.1\r\nConnection: close\r\n"
    head += b"" if "Host" in dict(headers) else b"Host: x\r\n"
    head += b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers)
    if body is None:
        check(said(server.host, head + b"\r\n"))
    elif chunked:
        blocks = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        check(said(server.host, head + b"Transfer-Encoding: chunked\r\n\r\n" + blocks + b"0\r\n\r\n"))
    else:
        check(said(server.host, head + b"Content-Length: %d\r\n\r\n" % len(body) + body))


HOST = b" HTTP/1.1\r\nHost: x\r\n"
PUT = b"PUT /v2/team/app/manifests/x" + HOST


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v2/ HTTP/1.1\r\n\r\n",
        b"GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\nHost: x\n\n",
        b"GET /v2/" + b"a" * 100_000 + HOST + b"\r\n",
        b"GET /v2/" + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /v2/" + HOST + b"X: a\r\n" * 20_000 + b"\r\n",
        b"GET /v2/" + HOST + b"X: a\r\n folded\r\n\r\n",
        b"GET /v2/" + HOST + b"X\0: a\r\n\r\n",
        PUT + b"Content-Length: -1\r\n\r\nabc",
        PUT + b"Content-Length: 1\r\nContent-Length: 3\r\n\r\nabc",
        PUT + b"Content-Length: 99999999999999999999\r\n\r\nabc",
        PUT + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        PUT + b"Transfer-Encoding: gzip\r\n\r\nabc",
        PUT + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\nabc",
        PUT + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        PUT + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n",
        PUT + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nabc\r\n0\r\n\r\n",
        PUT + b"Content-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        PUT + b"Content-Length: 3\r\n\r\nabcGARBAGE\r\n\r\n",
        PUT + b"Content-Length: 9\r\n\r\nabc",
        PUT + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc",
        b"POST /v2/team/app/blobs/uploads/?digest=" + DIGEST.encode() + HOST + b"Content-Length: 9\r\n\r\nabc",
    ],
    ids=lambda request: repr(request[-40:])[2:],
)
def test_nonsense_is_refused(server: Served, request_: bytes) -> None:
    assert 400 <= check(said(server.host, request_)) < 500


def test_nobody_is_waited_for_long(server: Served) -> None:
    async def drip(*parts: bytes) -> bytes:
        name, port = server.host.split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        with contextlib.suppress(ConnectionError):
            for part in parts:
                if reader.at_eof():
                    break
                writer.write(part)
                await asyncio.sleep(0.2)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    async def together() -> list[bytes]:
        return await asyncio.gather(
            drip(*[bytes([byte]) for byte in b"GET /v2/ HTTP/1.1\r\nHost: slow\r\n\r\n"]),
            drip(b"GET /v2/ HTTP/1.1\r\n", *[b"X: y\r\n"] * 20),
            drip(),
            *[drip(PUT + b"Content-Length: 100\r\n\r\n{") for _ in range(50)],
            drip(PUT + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"zz\r\n"),
        )

    heads, bodies = (found := asyncio.run(together()))[:3], found[3:]
    assert heads == [b"", b"", b""]
    assert {check(body) for body in bodies} == {408}


def test_who_reads_slowly_or_goes_away_takes_nothing(ask: Asking) -> None:
    data = os.urandom(1 << 20) * 32
    digest = ask.blob(data)
    name, port = ask.host.split(":")
    request = f"GET /v2/team/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    clients = [socket.create_connection((name, int(port))) for _ in range(30)]
    for client in clients:
        client.sendall(request)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert ask("GET", f"blobs/{digest}").body == data
    for client in clients:
        client.close()
    assert ask("GET", f"blobs/{digest}").body == data


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([DIGEST, "sha256:..", media.MANIFEST, media.INDEX, 10**400, -(2**63), "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "artifactType", "annotations"]
PARTS = ["mediaType", "digest", "size", "urls", "data", "platform", "annotations", "artifactType"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON | st.dictionaries(st.sampled_from(PARTS), JSON), max_size=3),
    st.sampled_from([media.MANIFEST, media.INDEX, media.DOCKER_MANIFEST]),
    st.booleans(),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_manifest_has_a_clean_answer(ask: Asking, fields: dict[str, object], kind: str, is_escaped: bool) -> None:
    told = {"schemaVersion": 2, "mediaType": kind, "config": descriptor(DIGEST, media.CONFIG), "layers": []} | fields
    data = json.dumps(told, ensure_ascii=is_escaped).encode(errors="surrogatepass")
    made = ask("PUT", "manifests/any", data, Content_Type=kind)
    assert made.status in (201, 400, 404)
    if made.status == 201:
        assert ask("GET", "manifests/any").body == data
        assert ask("GET", f"referrers/{DIGEST}").status == 200
    else:
        assert made.code in ("MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize("inner", [b"[", b'{"a":', b'{"config":', b'{"config":{"data":[', b'{"annotations":{"a":'])
def test_what_is_deep_is_refused(ask: Asking, inner: bytes) -> None:
    for start in (b"", b'{"schemaVersion": 2, "config": ', b'{"schemaVersion": 2, "x": '):
        data = (start + inner * (4_000_000 // len(inner)))[: 4 << 20]
        assert ask("PUT", "manifests/deep", data, Content_Type=media.MANIFEST).code == "MANIFEST_INVALID"


def test_no_name_leads_elsewhere(ask: Asking) -> None:
    for name in ("..", "../..", "%2e%2e/%2e%2e", "a/%2e%2e%2f%2e%2e", "%2fetc", "a\\..", "..%00", "a/./b"):
        manifest = image_of(DIGEST)
        for method, address in (
            ("PUT", f"/v2/{name}/manifests/x"),
            ("PUT", f"/v2/team/app/manifests/{name}"),
            ("POST", f"/v2/{name}/blobs/uploads/"),
            ("PATCH", f"/v2/team/app/blobs/uploads/{name}"),
            ("GET", f"/v2/team/app/blobs/{name}"),
            ("GET", f"/v2/team/app/referrers/{name}"),
            ("POST", f"/v2/team/app/blobs/uploads/?mount={DIGEST}&from={name}"),
        ):
            assert ask(method, address, manifest.data, Content_Type=media.MANIFEST).status in (400, 404)


def test_digests_of_every_shape(ask: Asking) -> None:
    wrong = (
        "sha256",
        "sha256:",
        ":",
        f"sha256:{'0' * 63}",
        f"sha256:{'0' * 65}",
        f"sha512:{'0' * 64}",
        "sha1:00",
        "a:b:c",
    )
    for text in (
        *wrong,
        f"sha256:{'G' * 64}",
        f"SHA256:{'0' * 64}",
        "sha256:..",
        f"sha256-{'0' * 64}",
    ):
        digest = Digest(text)
        assert ask("GET", f"blobs/{digest}").code == "DIGEST_INVALID"
        assert ask("DELETE", f"blobs/{digest}").code == "DIGEST_INVALID"
        assert ask("POST", f"blobs/uploads/?digest={digest}", b"").code == "DIGEST_INVALID"
        assert ask("POST", f"blobs/uploads/?mount={digest}", b"").code == "DIGEST_INVALID"
