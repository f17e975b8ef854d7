"""How long a pull waits for its first byte: while the image is built, and when it was built before.

    python -m benchmarks.bench_pulling            a minute or two, writes benchmarks/results/pulling.json
    python -m benchmarks.bench_pulling --quick    one round, nothing is written

The image is `shell/git/htop`, of Debian's packages from where apt takes them. Each figure is the time until the manifest
has come and the first byte of its largest layer, for a client that knows nothing.

    build     nothing is there: packages are chosen, fetched, and made into layers
    again     nothing is in the bucket, but the packages were fetched before
    cold      another server, just started, over a bucket in which the image is; it has no memory of its own
    warm      the same server once more
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench_serving import LAMELLA, ask, free_host, wait_for

RESULTS = Path(__file__).parent / "results" / "pulling.json"
NAME = "/v2/shell/git/htop"
SETTINGS = '[[source]]\nname = "deb"\nkind = "deb"\nplatforms = ["linux/amd64"]\n'
TASKS = ("build", "again", "cold", "warm")


@contextmanager
def server(bucket: Path, cache: Path) -> Iterator[str]:
    """A server over that bucket; gives its host."""
    host = free_host()
    config = cache.with_suffix(".toml")
    config.write_text(SETTINGS)
    command = [*LAMELLA, "serve", "--config", str(config), "--listen", host, "--bucket", str(bucket)]
    env = {**os.environ, "LAMELLA_CACHE": str(cache)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    try:
        wait_for(host)
        yield host
    finally:
        process.terminate()
        process.wait()


def first_byte(host: str) -> float:
    """Seconds until the manifest has come, and the first byte of the largest layer."""
    begun = time.perf_counter()
    manifest = json.loads(ask(host, "GET", f"{NAME}/manifests/latest").body)
    largest = max(manifest["layers"], key=lambda layer: int(layer["size"]))
    ask(host, "GET", f"{NAME}/blobs/{largest['digest']}", Range="bytes=0-0")
    return time.perf_counter() - begun


def measured(folder: Path) -> dict[str, float]:
    """One round."""
    with server(folder / "one", folder / "cache") as host:
        build = first_byte(host)
    with server(folder / "two", folder / "cache") as host:
        again = first_byte(host)
    with server(folder / "one", folder / "new") as host:
        return {"build": build, "again": again, "cold": first_byte(host), "warm": first_byte(host)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="one round, nothing is written")
    quick = parser.parse_args().quick
    rounds = []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(measured(Path(folder)))
    seconds = {task: [round(one[task], 3) for one in rounds] for task in TASKS}
    middle = {task: statistics.median(times) for task, times in seconds.items()}
    for task in TASKS:
        print(f"{task:6} {middle[task]:7.3f} s   {middle['build'] / middle[task]:7.1f} times as fast as the build")
    if not quick:
        RESULTS.write_text(json.dumps({"cores": os.cpu_count(), "seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
