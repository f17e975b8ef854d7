"""Programs that builds run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamella.server.demand.errors import DemandError
from lamella.server.demand.programs import ProgramError, run


def test_what_is_said_is_heard_line_by_line() -> None:
    heard: list[str] = []
    much = "for i in $(seq 20000); do echo out $i; done; echo one >&2; echo >&2; echo two >&2"
    assert run(["sh", "-c", much], 60, heard.append).endswith("out 20000\n")
    assert heard == ["one", "two"]


def test_programs_that_fail_say_why() -> None:
    with pytest.raises(ProgramError, match=r"^why$") as caught:
        run(["sh", "-c", "seq 100 >&2; echo why >&2; exit 3"], 60)
    assert caught.value.log[-2:] == ("100", "why")
    with pytest.raises(ProgramError, match="it printed no error"):
        run(["false"], 60)


def test_programs_have_their_time() -> None:
    started = time.monotonic()
    with pytest.raises(ProgramError, match=r"longer than 0\.1 seconds"):
        run(["sleep", "60"], 0.1)
    assert time.monotonic() - started < 30


def test_programs_end_with_a_worker_that_is_killed() -> None:
    script = (
        "from lamella.server.demand.programs import run; run(['sh', '-c', 'echo $$ >&2; exec sleep 60'], 60, print)"
    )
    command = [sys.executable, "-u", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as worker:
        assert worker.stdout
        program = int(worker.stdout.readline())
        os.killpg(worker.pid, signal.SIGKILL)
    for _ in range(1000):
        state = Path(f"/proc/{program}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"{program} is still there")


def test_whoever_listens_may_end_it() -> None:
    class EnoughError(Exception):
        pass

    def enough(line: str) -> None:
        raise EnoughError(line)

    started = time.monotonic()
    with pytest.raises(EnoughError, match="begun"):
        run(["sh", "-c", "echo begun >&2; exec sleep 60"], 100, enough)
    assert time.monotonic() - started < 30


def test_programs_that_are_not_there() -> None:
    with pytest.raises(
        DemandError, match="cannot run no-such-program: No such file or directory; is it installed on this server"
    ):
        run(["no-such-program"], 60)
