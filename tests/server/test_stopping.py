"""A stopped server finishes what it is doing, a killed one leaves nothing behind, and another takes over."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cache.known import jobs
from tests.served import Served, served
from tests.waiting import until

from lamella.cache.folder import Folder

OPEN = '[access]\nanonymous = ["*"]\n'
LARGE = os.urandom(1 << 20) * 32
"""More than fits into the buffers between two programs."""
DIGEST = f"sha256:{hashlib.sha256(LARGE).hexdigest()}"
WORKER = """\
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "began.new").write_text(str(os.getpid()))
(folder / "began.new").rename(folder / "began")
server = os.getppid()
while not (folder / "go").exists():
    if os.getppid() != server:
        sys.exit("the server is gone")
    time.sleep(0.01)
os.execv(sys.executable, [sys.executable, "-m", "lamella.cli.worker"])
"""
"""Waits for permission, and then builds."""
GIT = """\
#!/bin/sh
case $(tr '\\0' ' ' </proc/$PPID/cmdline) in
    *lamella.cli.worker*)
        echo $$ $PPID >FOLDER/began.new
        mv FOLDER/began.new FOLDER/began
        exec sleep 1000 ;;
    *) echo 1700000000 ;;
esac
"""
"""Tells the server when a commit was made, and never answers the worker."""


def connect(server: Served) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.host, timeout=20)


def get(server: Served, path: str) -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    with contextlib.closing(connect(server)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def refuses(server: Served) -> bool:
    """Whether it accepts no new connections. One that was queued when it closed is reset; then try again."""
    connection = connect(server)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False
    finally:
        connection.close()
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.fixture
def images(tmp_path: Path) -> str:
    """Settings with an image that is built when it is pulled: `images/app`."""
    (tmp_path / "specs" / "app").mkdir(parents=True)
    (tmp_path / "specs" / "app" / "lamella.toml").write_text('name = "app"\nfiles = ["lamella.toml"]\n')
    return f'{OPEN}[[source]]\nname = "images"\nkind = "specs"\nfrom = "{tmp_path / "specs"}"\n'


@pytest.fixture
def worker(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "worker.py").write_text(WORKER)
    return (sys.executable, str(tmp_path / "worker.py"), str(tmp_path))


@pytest.fixture
def pulling() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def send_head(connection: http.client.HTTPConnection, path: str) -> None:
    """Begin an upload of `LARGE`, and wait until the server asks for the body."""
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(len(LARGE)))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    wanted = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.sock.recv(len(wanted), socket.MSG_WAITALL) == wanted


def begin_upload(server: Served) -> str:
    connection = connect(server)
    connection.request("POST", "/v2/app/blobs/uploads/")
    with contextlib.closing(connection):
        return f"{connection.getresponse().headers['Location']}?digest={DIGEST}"


def upload(server: Served) -> None:
    with contextlib.closing(connect(server)) as connection:
        send_head(connection, begin_upload(server))
        connection.send(LARGE)
        assert connection.getresponse().status == 201


def test_an_upload_on_its_way_arrives(tmp_path: Path) -> None:
    with served(tmp_path, "--writable", config=OPEN) as server, contextlib.closing(connect(server)) as connection:
        send_head(connection, begin_upload(server))
        connection.send(LARGE[: 1 << 20])
        server.process.terminate()
        until(lambda: refuses(server), "it takes no more connections")
        assert server.process.poll() is None
        connection.send(LARGE[1 << 20 :])
        assert connection.getresponse().status == 201
        assert server.process.wait(20) == 0
    with served(tmp_path, config=OPEN) as server:
        assert get(server, f"/v2/app/blobs/{DIGEST}") == (200, LARGE)


def test_a_download_on_its_way_arrives(tmp_path: Path) -> None:
    with served(tmp_path, "--writable", config=OPEN) as server:
        upload(server)
        with contextlib.closing(connect(server)) as connection:
            connection.request("GET", f"/v2/app/blobs/{DIGEST}")
            answer = connection.getresponse()
            first = answer.read(1 << 16)
            server.process.terminate()
            until(lambda: refuses(server), "it takes no more connections")
            assert server.process.poll() is None
            assert first + answer.read() == LARGE
        assert server.process.wait(20) == 0


def test_connections_where_nothing_is_asked_are_closed(tmp_path: Path) -> None:
    patient = "stop_seconds = 600\n"
    with (
        served(tmp_path, config=patient) as server,
        contextlib.closing(connect(server)) as used,
        socket.socket() as unused,
    ):
        used.request("GET", "/v2/")
        used.getresponse().read()
        host, _, port = server.host.partition(":")
        unused.connect((host, int(port)))
        server.process.terminate()
        assert used.sock.recv(1) == b""
        assert unused.recv(1) == b""
        assert server.process.wait(60) == 0


def test_a_build_is_ended_and_who_waits_gets_it(
    tmp_path: Path, images: str, worker: tuple[str, ...], pulling: ThreadPoolExecutor
) -> None:
    with served(tmp_path, config=images, worker=worker) as server:
        pull = pulling.submit(get, server, "/v2/images/app/manifests/latest")
        until((tmp_path / "began").exists, "the build begins")
        server.process.terminate()
        until(lambda: refuses(server), "it takes no more connections")
        (tmp_path / "go").touch()
        status, manifest = pull.result()
        assert (status, server.process.wait(20)) == (200, 0)
        assert json.loads(manifest)["schemaVersion"] == 2


def test_a_build_that_takes_longer_is_left_to_another(
    tmp_path: Path, images: str, worker: tuple[str, ...], pulling: ThreadPoolExecutor
) -> None:
    with served(tmp_path, config=f"stop_seconds = 1\n{images}", worker=worker) as server:
        pull = pulling.submit(get, server, "/v2/images/app/manifests/latest")
        until((tmp_path / "began").exists, "the build begins")
        builder = int((tmp_path / "began").read_text())
        server.process.terminate()
        status, told = pull.result()
        assert (status, server.process.wait(20)) == (503, 0)
        assert "stopping" in json.loads(told)["errors"][0]["message"]
        assert not is_alive(builder)
    (given_up,) = jobs(Folder(tmp_path / "bucket")).values()
    assert (given_up.state, given_up.until) == ("running", 0), "it looks alive, and others would have to wait"
    (tmp_path / "go").touch()
    with served(tmp_path, config=images, worker=worker) as server:
        assert get(server, "/v2/images/app/manifests/latest")[0] == 200


def test_a_second_signal_ends_it_at_once(
    tmp_path: Path, images: str, worker: tuple[str, ...], pulling: ThreadPoolExecutor
) -> None:
    with served(tmp_path, config=images, worker=worker) as server:
        pull = pulling.submit(get, server, "/v2/images/app/manifests/latest")
        until((tmp_path / "began").exists, "the build begins")
        server.process.send_signal(signal.SIGINT)
        until(lambda: refuses(server), "it takes no more connections")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 130
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            pull.result()


def test_who_is_killed_leaves_no_builder_behind(tmp_path: Path, images: str, pulling: ThreadPoolExecutor) -> None:
    """Nor the program that the builder runs: here, a git that never ends."""
    (tmp_path / "git").write_text(GIT.replace("FOLDER", str(tmp_path)))
    (tmp_path / "git").chmod(0o755)
    (tmp_path / "specs" / "app" / "lamella.toml").write_text(
        'name = "app"\nfiles = ["lamella.toml"]\ncreated = "git"\n'
    )
    with served(tmp_path, config=images, environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"}) as server:
        pull = pulling.submit(get, server, "/v2/images/app/manifests/latest")
        until((tmp_path / "began").exists, "the build begins")
        program, worker = (int(line) for line in (tmp_path / "began").read_text().split())
        assert is_alive(program)
        server.process.kill()
        until(lambda: not is_alive(worker), "the worker ends")
        until(lambda: not is_alive(program), "its program ends")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            pull.result()
    assert [job.state for job in jobs(Folder(tmp_path / "bucket")).values()] == ["running"]


def test_nobody_else_can_hold_it_up(tmp_path: Path, pulling: ThreadPoolExecutor) -> None:
    """Here, a mirrored registry that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f'stop_seconds = 0\n{OPEN}[[mirror]]\nname = "far"\nfrom = "127.0.0.1:{silent.getsockname()[1]}"\n'
        with served(tmp_path, "--insecure", config=mirror) as server:
            pull = pulling.submit(get, server, "/v2/far/app/manifests/latest")
            asked, _ = silent.accept()
            with asked:
                server.process.terminate()
                assert server.process.wait(8) == 0
                with pytest.raises((ConnectionError, http.client.HTTPException)):
                    pull.result()


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_who_started_it_is_told_how_far_it_is(tmp_path: Path, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        name = f"{folder}/told"
        told.bind(name if kind == "file" else f"\0{name}")
        told.settimeout(20)
        with served(tmp_path, environment={"NOTIFY_SOCKET": name if kind == "file" else f"@{name}"}) as server:
            assert told.recv(100) == b"READY=1"
            server.process.terminate()
            assert told.recv(100) == b"STOPPING=1"
            assert server.process.wait(20) == 0


def test_it_starts_though_nobody_listens_for_that(tmp_path: Path) -> None:
    with served(tmp_path, environment={"NOTIFY_SOCKET": str(tmp_path / "gone")}) as server:
        assert server.stop() == 0
