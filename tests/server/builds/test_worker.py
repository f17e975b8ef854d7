"""A build in its own process, whatever that process does."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from tests.buckets import Memory
from tests.waiting import soon, until

from lamella.server.builds.jobs import Outcome
from lamella.server.builds.log import log_name
from lamella.server.builds.orders import Order
from lamella.server.builds.worker import work
from lamella.server.demand.names import Pin

ORDER = Order("", "", "deb/bash", "latest", Pin("x", moving=False))


def run(script: str, bucket: Memory) -> Outcome:
    return asyncio.run(work((sys.executable, "-c", script), ORDER, bucket, "1", 600.0))


class Late(asyncio.SelectorEventLoop):
    """An event loop whose clock can be moved forward."""

    late = 0.0

    def time(self) -> float:
        return super().time() + self.late


def log(bucket: Memory) -> str:
    return (bucket.get(log_name("1")) or b"").decode()


def said(file: Path) -> str:
    """Return the line that a program has written; empty until it is complete."""
    text = file.read_text() if file.exists() else ""
    return text if text.endswith("\n") else ""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_hears_the_order_and_tells_the_outcome() -> None:
    bucket = Memory()
    script = (
        "import json, sys\n"
        "order = json.loads(sys.stdin.readline())\n"
        "print('building', order['repository'], file=sys.stderr)\n"
        "print(json.dumps({'root': order['pin']['what']}))"
    )
    assert run(script, bucket) == Outcome(root="x")
    assert log(bucket) == "building deb/bash\n"


@pytest.mark.parametrize("script", ["print('nonsense')", "import os; os._exit(9)", "1/0", ""])
def test_what_ends_without_an_outcome_has_failed(script: str) -> None:
    outcome = run(script, Memory())
    assert outcome.code == "UNKNOWN"
    assert "see its log" in outcome.message


def test_what_takes_too_long_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    bucket = Memory()
    script = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid) + chr(10))\n"
        "time.sleep(1000)"
    )

    async def late() -> Outcome:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Late)
        task = loop.create_task(work((sys.executable, "-c", script), ORDER, bucket, "1", 900.0))
        await soon(lambda: said(tmp_path / "pid"), "the build starts a program")
        loop.late = 900.0
        return await task

    with asyncio.Runner(loop_factory=Late) as runner:
        outcome = runner.run(late())
    assert (outcome.code, outcome.message) == ("DENIED", "the build took more than 900 s")
    assert "took too long" in log(bucket)
    until(lambda: not is_alive(int(said(tmp_path / "pid"))), "the program ends too")


def test_who_gives_up_ends_it(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()) + chr(10))\n"
        "time.sleep(1000)"
    )

    async def give_up() -> None:
        task = asyncio.create_task(work((sys.executable, "-c", script), ORDER, Memory(), "1", 1000))
        await soon(lambda: said(tmp_path / "pid"), "the build begins")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert not is_alive(int(said(tmp_path / "pid")))


def test_a_log_can_be_seen_while_it_goes_on() -> None:
    bucket = Memory()
    script = "import sys, time; print('begun', file=sys.stderr, flush=True); time.sleep(1000)"

    async def look() -> None:
        task = asyncio.create_task(work((sys.executable, "-c", script), ORDER, bucket, "1", 1000))
        await soon(lambda: "begun" in log(bucket), "the log says that it has begun")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(look())


def test_of_a_long_log_the_first_and_the_last_are_kept() -> None:
    bucket = Memory()
    script = (
        "import sys\n"
        "for number in range(100_000):\n    print(f'line {number} ' + 'x' * 30, file=sys.stderr)\n"
        "print('y' * 3_000_000, file=sys.stderr)\n"
        "print('the end', file=sys.stderr)\n"
        "print('{}')"
    )
    assert run(script, bucket) == Outcome()
    said = log(bucket)
    assert len(said) < 2 << 20
    assert said.startswith("line 0 ")
    assert "left out" in said
    assert said.endswith("the end\n")
