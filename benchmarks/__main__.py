"""`python -m benchmarks [TOPIC,...]`: measures, writes what was found, draws it, and brings the page up to date."""

import argparse
import contextlib
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Size
from benchmarks.page import PAGE, brought_up_to_date, results_in, told
from benchmarks.plots import draw
from benchmarks.results import Result, here_and_now, write
from benchmarks.shop import Shop
from benchmarks.topics import TOPICS, measure_of, title_of

RESULTS = Path(__file__).parent / "results"


def measured(topic: str, shop: Shop, size: Size) -> Result:
    """One topic, and how long it took on stderr."""
    started = time.monotonic()
    facts, tasks = measure_of(topic)(shop, size)
    print(f"{topic}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return here_and_now(topic, facts, tasks)


@contextlib.contextmanager
def opened() -> Iterator[Shop]:
    """A shop in a folder of its own, with nothing left behind."""
    folder = Path(tempfile.gettempdir(), f"bench-{secrets.token_hex(4)}")  # podman refuses some names of tempfile's
    folder.mkdir(mode=0o700)
    try:
        with contextlib.ExitStack() as stack:
            yield Shop(folder, stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=f"Topics: {', '.join(TOPICS)}.")
    parser.add_argument("topics", nargs="?", default="", metavar="TOPIC,...", help="only these")
    parser.add_argument("--tiny", action="store_true", help="shows that all of it works; nothing is written")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that daemons are stopped
    topics = given.topics.split(",") if given.topics else TOPICS
    if unknown := sorted(set(topics) - set(TOPICS)):
        parser.error(f"no such topic: {', '.join(unknown)}")
    for topic in topics:
        with opened() as shop:
            result = measured(topic, shop, Size(given.tiny))
        print("\n".join(told(result)), end="\n\n", flush=True)
        if not given.tiny:
            write(result, RESULTS)
            (RESULTS / f"{topic}.svg").write_text(draw(title_of(topic), result))
            PAGE.write_text(brought_up_to_date(PAGE.read_text(), results_in(RESULTS)))


if __name__ == "__main__":
    main()
