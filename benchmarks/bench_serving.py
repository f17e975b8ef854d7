"""How fast images are served and taken, beside Debian's docker-registry in the same run.

    python -m benchmarks.bench_serving            some minutes, writes benchmarks/results/serving.json and serving.svg
    python -m benchmarks.bench_serving --quick    less data, one round, nothing is written

Both keep what they have in a folder in memory, so that no disk is measured, over plain HTTP on loopback, without logins,
and one of them runs at a time. Who asks runs on the same machine and takes its share of it: with two cores the figures are those of server and client
together, and the ratios say more than they do. Needs docker-registry.

    download, download8   a large blob, by one client and by eight at once, MB/s
    upload                a large blob in one PUT, as many clients send it, MB/s
    upload8               eight smaller ones at once
    tag, digest           a manifest of 2 kB, by eight connections, requests a second
    head                  whether a blob is there, likewise
    memory                the most that the server needed for all of this, MB
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import random
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bars import Chart, draw

RESULTS = Path(__file__).parent / "results" / "serving.json"
OURS, THEIRS = "lamella serve", "docker-registry"
LAMELLA = (sys.executable, "-c", "from lamella.cli.main import main; main()")
OPEN = 'writable = true\n[access]\nanonymous = ["pull", "push"]\n'
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONNECTIONS = 8
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Found:
    """What one task measured: MB/s, requests a second, or MB. `ratio` is ours over theirs, where more is better."""

    task: str
    ours: list[float]
    theirs: list[float]
    ratio: float
    spread: tuple[float, float]


@dataclass(frozen=True)
class Server:
    name: str
    host: str
    pid: int

    @property
    def peak(self) -> float:
        """The most memory that it had, in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def free_host() -> str:
    """Where a server can listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def started(name: str, folder: Path) -> Iterator[Server]:
    """A server that holds nothing yet."""
    host = free_host()
    config = folder / "config"
    if name == OURS:
        config.write_text(OPEN)
        command = [*LAMELLA, "serve", "--config", str(config), "--listen", host, "--bucket", str(folder / "bucket")]
    else:
        storage = {"filesystem": {"rootdirectory": str(folder / "data")}, "cache": {"blobdescriptor": "inmemory"}}
        told = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}}, "storage": storage}
        config.write_text(json.dumps(told | {"http": {"addr": host}}))
        command = ["docker-registry", "serve", str(config)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(host)
        yield Server(name, host, server.pid)
    finally:
        server.terminate()
        server.wait()


def wait_for(host: str) -> None:
    """Waits until a server answers."""
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection(host)
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            connection.close()
            return
    raise SystemExit("a server did not start")


@dataclass(frozen=True)
class Answer:
    headers: Mapping[str, str]
    body: bytes


def ask(host: str, method: str, address: str, body: bytes = b"", **headers: str) -> Answer:
    """What a server says, which must be that all is well."""
    connection = http.client.HTTPConnection(host)
    connection.request(method, address, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status >= 300:
        raise SystemExit(f"{method} {address}: {answer.status}")
    return Answer(dict(answer.headers), said)


def upload(host: str, data: bytes, digest: str) -> None:
    """Pushes a blob."""
    begun = ask(host, "POST", "/v2/bench/blobs/uploads/")
    where = begun.headers["Location"].removeprefix(f"http://{host}")
    ask(host, "PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", data)


def download(host: str, address: str, size: int) -> None:
    """Asks for a blob; the kernel throws away what comes, so the server is what is measured."""
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port))) as client:
        client.sendall(f"GET {address} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        buffer, total = bytearray(16 << 20), 0
        while count := client.recv_into(buffer, len(buffer), socket.MSG_TRUNC | socket.MSG_WAITALL):
            total += count
    if not size < total < size + 2000:
        raise SystemExit(f"{total} bytes came of {size}")


def timed(acts: Sequence[Callable[[], None]]) -> float:
    """Seconds for all of `acts`, side by side."""
    threads = [threading.Thread(target=act) for act in acts]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def _is_whole(answer: bytes, method: str) -> bool:
    """Whether all of an answer has arrived."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(answer.decode())
    return method == "HEAD" or len(body) == int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


class Load:
    """What is asked of a server; each method gives a figure."""

    def __init__(self, server: Server, size: int, seconds: int) -> None:
        self.server = server
        self.host = server.host
        self.size = size
        self.seconds = seconds
        self._random = random.Random(server.name)
        self.blob = self._push(self._data(size))
        layers = [{"mediaType": "application/octet-stream", "digest": self.blob, "size": size}]
        told = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layers[0], "layers": layers}
        data = json.dumps(told | {"annotations": {"text": "x" * 1400}}).encode()
        self.digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        ask(self.host, "PUT", "/v2/bench/manifests/v1", data, Content_Type=MANIFEST)

    def _data(self, size: int) -> bytes:
        return self._random.randbytes(1 << 20) * (size >> 20)

    def _push(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        upload(self.host, data, digest)
        return digest

    def download(self) -> float:
        return self.downloads(1)

    def download8(self) -> float:
        return self.downloads(CONNECTIONS)

    def downloads(self, count: int) -> float:
        address = f"/v2/bench/blobs/{self.blob}"
        return count * self.size / 1e6 / timed([lambda: download(self.host, address, self.size)] * count)

    def upload(self) -> float:
        return self.uploads(1, self.size)

    def upload8(self) -> float:
        return self.uploads(CONNECTIONS, max(self.size // CONNECTIONS, 1 << 20))

    def uploads(self, count: int, size: int) -> float:
        blobs = [self._data(size) for _ in range(count)]
        told = [(blob, f"sha256:{hashlib.sha256(blob).hexdigest()}") for blob in blobs]
        acts = [lambda blob=blob, digest=digest: upload(self.host, blob, digest) for blob, digest in told]
        return count * size / 1e6 / timed(acts)

    def tag(self) -> float:
        return self.requests("GET", "manifests/v1")

    def by_digest(self) -> float:
        return self.requests("GET", f"manifests/{self.digest}")

    def head(self) -> float:
        return self.requests("HEAD", f"blobs/{self.blob}")

    def requests(self, method: str, address: str) -> float:
        """How many are answered in a second; each connection asks again when it has its answer."""
        request = f"{method} /v2/bench/{address} HTTP/1.1\r\nHost: {self.host}\r\nAccept: {MANIFEST}\r\n\r\n".encode()
        name, _, port = self.host.partition(":")
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for _ in range(CONNECTIONS):
                client = stack.enter_context(socket.create_connection((name, int(port))))
                client.sendall(request)
                selector.register(client, selectors.EVENT_READ, [])
            count, begun = 0, time.perf_counter()
            while (lasted := time.perf_counter() - begun) < self.seconds:
                for key, _ in selector.select():
                    key.data.append(key.fileobj.recv(1 << 16))  # type: ignore[union-attr]
                    if _is_whole(b"".join(key.data), method):
                        key.data.clear()
                        key.fileobj.send(request)  # type: ignore[union-attr]
                        count += 1
        return count / lasted

    def memory(self) -> float:
        return self.server.peak


TASKS: dict[str, Callable[[Load], float]] = {
    "download": Load.download,
    "download8": Load.download8,
    "upload": Load.upload,
    "upload8": Load.upload8,
    "tag": Load.tag,
    "digest": Load.by_digest,
    "head": Load.head,
    "memory": Load.memory,
}


def measured(size: int, seconds: int, rounds: int) -> list[Found]:
    """Each round begins anew, and the two take turns at being first."""
    figures: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds):
        for name in (OURS, THEIRS) if turn % 2 else (THEIRS, OURS):
            with tempfile.TemporaryDirectory(dir=MEMORY) as made, started(name, Path(made)) as server:
                load = Load(server, size, seconds)
                for task, act in TASKS.items():
                    figures.setdefault((name, task), []).append(round(act(load), 1))
    return [_compared(task, figures[OURS, task], figures[THEIRS, task]) for task in TASKS]


def _compared(task: str, ours: list[float], theirs: list[float]) -> Found:
    ratios = [theirs[i] / ours[i] if task == "memory" else ours[i] / theirs[i] for i in range(len(ours))]
    return Found(
        task, ours, theirs, round(statistics.median(ratios), 2), (round(min(ratios), 2), round(max(ratios), 2))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="less data, one round, nothing is written")
    quick = parser.parse_args().quick
    if not shutil.which("docker-registry"):
        raise SystemExit("this needs docker-registry")
    size, seconds, rounds = (64 << 20, 1, 1) if quick else (512 << 20, 4, 5)
    rows = measured(size, seconds, rounds)
    for row in rows:
        ours, theirs = statistics.median(row.ours), statistics.median(row.theirs)
        low, high = row.spread
        print(f"{row.task:10} {ours:9.1f} {theirs:9.1f}   {row.ratio:5.2f} x docker-registry ({low} to {high})")
    if not quick:
        told = {"cores": os.cpu_count(), "bytes": size, "rows": [asdict(row) for row in rows]}
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")
        groups = [(row.task, [(OURS, row.ratio)]) for row in rows]
        chart = Chart(
            "lamella serve beside docker-registry",
            "how many times as fast (for memory: as little); two cores, server and client together",
            groups,
            OURS,
            ("docker-registry", 1.0),
        )
        RESULTS.with_suffix(".svg").write_text(draw(chart))


if __name__ == "__main__":
    main()
