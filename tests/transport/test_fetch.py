"""Files arrive whole or not at all, whatever servers do, and no server sees a password meant for another."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.index import Index, serving
from tests.registry.fake import Fake, Trouble
from tests.registry.fake import serving as serving_registry

from lamella.oci.digest import DigestError
from lamella.transport.connections import Settings
from lamella.transport.downloads import Downloads, Wanted
from lamella.transport.errors import ForbiddenError, GoneError, TransportError
from lamella.transport.fetch import Fetcher
from lamella.transport.remote import RemoteFile, WholeOnlyError

DATA = os.urandom(700_001)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "file").write_bytes(DATA)
    with serving(Index(tmp_path / "index")) as found:
        yield found


@contextmanager
def fetching(**environment: str) -> Iterator[Fetcher]:
    fetcher = Fetcher(Settings(environment=environment, timeout=5), pause=lambda _: None)
    try:
        yield fetcher
    finally:
        fetcher.close()


def url(index: Index, path: str = "files/file") -> str:
    return f"http://127.0.0.1:{index.port}/{path}"


def got(fetcher: Fetcher, address: str, start: int = 0) -> bytes:
    found = bytearray()
    fetcher.download(address, found.extend, start)
    return bytes(found)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("start", [0, 1, 350_000, len(DATA) - 1])
def test_from_where_it_broke_off(index: Index, ranges: bool, start: int) -> None:
    index.ranges, index.cut = ranges, 300_000
    with fetching() as fetcher:
        assert got(fetcher, url(index), start) == DATA[start:]


def test_busy_servers_are_asked_again_and_gone_files_are_not(index: Index) -> None:
    index.busy = 3
    with fetching() as fetcher:
        assert got(fetcher, url(index)) == DATA
        asked = len(index.asked)
        with pytest.raises(GoneError, match="there is nothing at"):
            fetcher.document(url(index, "nowhere"))
        assert len(index.asked) == asked + 1
        index.busy = 99
        with pytest.raises(TransportError, match="is busy; try again later"):
            fetcher.document(url(index))


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x", "http://[bad", "ftp://host/x", "http://"])
def test_addresses_where_nobody_is(address: str) -> None:
    with fetching() as fetcher, pytest.raises(TransportError):
        fetcher.document(address)


def test_local_files(tmp_path: Path) -> None:
    file = tmp_path / "a b%"
    file.write_bytes(DATA)
    with fetching() as fetcher:
        assert got(fetcher, file.as_uri(), 5) == DATA[5:]
        assert fetcher.document(file.as_uri()) == DATA
        assert fetcher.part(file.as_uri(), 10, 3) == (DATA[3:13], len(DATA))
        assert fetcher.part(file.as_uri(), 10) == (DATA[-10:], len(DATA))
        with pytest.raises(GoneError, match="No such file"):
            fetcher.document((tmp_path / "nowhere").as_uri())


def test_parts(index: Index) -> None:
    with fetching() as fetcher:
        remote = RemoteFile(fetcher, url(index))
        assert remote.size() == len(DATA)
        for at, count in ((0, 10), (len(DATA) - 5, 10), (300_000, 300_000), (len(DATA), 1)):
            assert remote.read_at(count, at) == DATA[at : at + count]
        asked = len(index.asked)
        assert remote.read_at(1000, len(DATA) - 1000) == DATA[-1000:]
        assert len(index.asked) == asked
        index.ranges = False
        with pytest.raises(WholeOnlyError):
            RemoteFile(fetcher, url(index))


@pytest.mark.parametrize("how", ["address", "index", "netrc", "named", "nobody", "another"])
def test_who_we_are(index: Index, tmp_path: Path, how: str) -> None:
    index.login = "me:s3%cret"
    host = f"127.0.0.1:{index.port}"
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3%cret\n")
    environment = {
        "index": {"UV_INDEX": f"other=http://x:y@other/simple mine=http://me:s3%25cret@{host}/simple"},
        "named": {
            "UV_INDEX": f"my.own=http://{host}/simple",
            "UV_INDEX_MY_OWN_USERNAME": "me",
            "UV_INDEX_MY_OWN_PASSWORD": "s3%cret",
        },
        "netrc": {"HOME": str(tmp_path)},
        "another": {"UV_INDEX": "http://me:s3%25cret@127.0.0.2/simple"},
    }.get(how, {})
    address = url(index).replace("//", "//me:s3%25cret@") if how == "address" else url(index)
    with fetching(**environment) as fetcher:
        if how in ("nobody", "another"):
            with pytest.raises(TransportError, match="requires a login") as raised:
                fetcher.document(address)
            assert "s3" not in str(raised.value)
        else:
            assert fetcher.document(address) == DATA


@pytest.mark.parametrize("told", ["nothing", "the name"])
def test_other_programs_are_asked_once_who_we_are(index: Index, told: str) -> None:
    index.login = "me:s3cret"
    host = f"127.0.0.1:{index.port}"
    asked = []

    def stored(address: str, username: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
        asked.append(username)
        return ("me", environment["SECRET"]) if address == url(index) else None

    environment = {"SECRET": "s3cret", **({"UV_INDEX": f"http://me@{host}/simple"} if told == "the name" else {})}
    fetcher = Fetcher(Settings(environment=environment, timeout=5), stored=stored)
    with closing(fetcher):
        assert fetcher.document(url(index)) == DATA
        assert fetcher.document(url(index)) == DATA
        assert asked == ["me" if told == "the name" else ""]
        index.login = "me:another"
        with pytest.raises(TransportError, match="requires a login"):
            fetcher.document(url(index))


def test_programs_that_do_not_know_who_we_are_are_asked_once(index: Index) -> None:
    index.login = "me:s3cret"
    asked = []
    with closing(Fetcher(Settings(timeout=5), stored=lambda *told: asked.append(told))) as fetcher:
        for _ in range(3):
            with pytest.raises(TransportError, match="requires a login"):
                fetcher.document(url(index))
    assert len(asked) == 1


def test_who_is_rejected_while_another_learns_who_we_are_tries_that(index: Index) -> None:
    index.login = "me:s3cret"
    rejected = threading.Barrier(2, timeout=20)
    asked = []

    class Together(Fetcher):
        def _learn(self, *told: Any) -> bool:
            with suppress(threading.BrokenBarrierError):
                rejected.wait()
            rejected.abort()
            return super()._learn(*told)

    def stored(address: str, *_: object) -> tuple[str, str]:
        asked.append(address)
        return "me", "s3cret"

    with closing(Together(Settings(timeout=5), stored=stored)) as fetcher, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fetcher.document, [url(index)] * 2)) == [DATA] * 2
    assert len(asked) == 1


def test_what_may_not_be_read_may_be_elsewhere(tmp_path: Path) -> None:
    wanted = Wanted("file", hashlib.sha256(DATA).hexdigest())
    with serving_registry(Fake()) as fake, fetching() as fetcher:
        fake.trouble = [Trouble("/secret", 99, 403), Trouble("/file", 99, 200, body=DATA)]
        secret, file = (f"http://{fake.name}/{name}" for name in ("secret", "file"))
        with pytest.raises(ForbiddenError, match="does not exist, or requires a login that may read it"):
            fetcher.document(secret)
        assert not fetcher.has(secret)
        Downloads(tmp_path, lambda: fetcher).fetch([wanted], lambda _: {wanted.sha256: [secret, file]})
        s3 = f"s3://ours/secret?endpoint={fake.name}&scheme=http"
        with fetching(AWS_ACCESS_KEY_ID="me", AWS_SECRET_ACCESS_KEY="secret") as with_keys:
            with pytest.raises(ForbiddenError, match="does not exist, or these credentials may not"):
                with_keys.document(s3)
            assert not with_keys.has(s3)


def test_what_cannot_be_sent_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    with serving_registry(Fake()) as fake, fetching() as fetcher:
        address = f"http://{fake.name}/file"
        for status, said in ((403, "requires a login that may write there"), (503, "is busy; try again later")):
            fake.trouble = [Trouble("^PUT", 99, status)]
            with pytest.raises(TransportError, match=said) as raised:
                fetcher.put(address, tmp_path / "file", "x/y")
            assert not isinstance(raised.value, GoneError)
    with fetching() as fetcher, pytest.raises(TransportError, match="/file cannot be reached: Connection refused"):
        fetcher.put(address, tmp_path / "file", "x/y")


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("size", [0, len(DATA)])
@pytest.mark.parametrize("before", [DATA, DATA[:-1], DATA + b"more", b"x" * len(DATA)])
def test_a_partial_download_ends_right_whatever_it_holds(
    index: Index, tmp_path: Path, before: bytes, size: int, ranges: bool
) -> None:
    index.ranges = ranges
    wanted = Wanted("file", hashlib.sha256(DATA).hexdigest(), size)
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / wanted.sha256).write_bytes(before)
    with fetching() as fetcher:
        Downloads(tmp_path, lambda: fetcher).fetch([wanted], lambda _: {wanted.sha256: [url(index)]})
    assert (tmp_path / "files" / wanted.sha256).read_bytes() == DATA
    if before == DATA:
        assert not index.asked


def test_downloads_are_kept_by_their_hash(index: Index, tmp_path: Path) -> None:
    wanted = Wanted("file", hashlib.sha256(DATA).hexdigest(), len(DATA))
    with fetching() as fetcher:
        downloads = Downloads(tmp_path / "cache", lambda: fetcher)
        downloads.fetch([wanted, wanted], lambda lost: {one.sha256: [url(index, "gone"), url(index)] for one in lost})
        assert downloads.path(wanted.sha256).read_bytes() == DATA
        asked = len(index.asked)
        downloads.fetch([wanted], lambda _: {})
        assert len(index.asked) == asked
        with pytest.raises(GoneError, match="no index has other"):
            downloads.fetch([Wanted("other", "0" * 64)], lambda _: {})
        with pytest.raises(DigestError, match="nothing of it is used"):
            downloads.fetch([Wanted("other", "0" * 64)], lambda _: {"0" * 64: [url(index)]})
    assert [file.name for file in (tmp_path / "cache" / "files").iterdir()] == [wanted.sha256]
    assert not list((tmp_path / "cache" / "partial").iterdir())


def test_a_full_disk(index: Index, small_disk: Path) -> None:
    (index.folder / "file").write_bytes(os.urandom(6 << 20))
    wanted = Wanted("file", hashlib.sha256((index.folder / "file").read_bytes()).hexdigest())
    with fetching() as fetcher, pytest.raises(Exception, match="No space left"):
        Downloads(small_disk, lambda: fetcher).fetch([wanted], lambda _: {wanted.sha256: [url(index)]})
    assert not (small_disk / "files" / wanted.sha256).exists()


def test_who_we_are_is_told_to_nobody_else() -> None:
    with serving_registry(Fake()) as there, serving_registry(Fake()) as here:
        here.trouble = [Trouble("", 99, 307, {"Location": f"http://{there.name}/file"})]
        there.trouble = [Trouble("", 99, 200, body=DATA)]
        with fetching(UV_INDEX=f"mine=http://me:secret@{here.name}/simple") as fetcher:
            assert fetcher.document(f"http://{here.name}/file") == DATA
            assert fetcher.document(f"http://me:secret@{here.name}/file") == DATA
        assert all(here.told)
        assert there.told == [None, None]


def test_who_is_sent_in_circles_gives_up() -> None:
    with serving_registry(Fake()) as fake, fetching() as fetcher:
        fake.trouble = [Trouble("", 99, 302, {"Location": f"/{number}"}) for number in range(2)]
        with pytest.raises(TransportError, match="redirects too many times"):
            fetcher.document(f"http://{fake.name}/file")
        assert len(fake.asked) < 20


@contextmanager
def refusing(answer: bytes) -> Iterator[str]:
    """A server that gives `answer` to the first bytes of each request, and ends the connection."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client:
                    client.recv(100)
                    client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(serve)
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/file"
        finally:
            server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("status", "said"), [("401 No", "requires a login"), ("200 OK", "cannot be reached")])
def test_a_refusal_is_heard_before_all_is_sent(tmp_path: Path, status: str, said: str) -> None:
    (tmp_path / "file").write_bytes(bytes(30 << 20))
    with (
        refusing(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as address,
        fetching() as fetcher,
        pytest.raises(TransportError, match=said),
    ):
        fetcher.put(address, tmp_path / "file", "x/y")


def test_a_password_for_an_encrypted_index_is_not_sent_in_the_open() -> None:
    with serving_registry(Fake()) as fake:
        fake.trouble = [Trouble("", 99, 200, body=DATA)]
        with fetching(UV_INDEX=f"mine=https://me:secret@{fake.name}/simple") as fetcher:
            assert fetcher.document(f"http://{fake.name}/file") == DATA
        assert fake.told == [None]


@pytest.mark.parametrize("hashed", ["../../victim", "", "0" * 63, "A" * 64, f"{'0' * 64}\n"])
def test_what_is_no_hash_names_no_file(tmp_path: Path, hashed: str) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(DATA)
    with fetching() as fetcher, pytest.raises(DigestError, match="is not a SHA-256"):
        Downloads(tmp_path / "cache", lambda: fetcher).fetch_one(Wanted("x", hashed), [(tmp_path / "file").as_uri()])
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_threads_that_download_at_once_share_what_downloads(tmp_path: Path) -> None:
    opened: list[Fetcher] = []

    def slowly() -> Fetcher:
        time.sleep(0.05)
        opened.append(Fetcher(Settings()))
        return opened[-1]

    with closing(Downloads(tmp_path, slowly)) as downloads, ThreadPoolExecutor(4) as pool:
        used = {id(one.result()) for one in [pool.submit(lambda: downloads.fetcher) for _ in range(4)]}
    assert (len(opened), len(used)) == (1, 1)
