"""Programs that builds need."""

import time

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
    with pytest.raises(ProgramError, match="it said nothing"):
        run(["false"], 60)


@pytest.mark.parametrize("script", ["sleep 60 & sleep 60", "sleep 60 & exit 0"])
def test_programs_have_their_time_and_so_has_what_they_started(script: str) -> None:
    started = time.monotonic()
    with pytest.raises(ProgramError, match=r"longer than 0\.1 seconds"):
        run(["sh", "-c", script], 0.1)
    assert time.monotonic() - started < 30


def test_whoever_listens_may_end_it() -> None:
    class EnoughError(Exception):
        pass

    def enough(line: str) -> None:
        raise EnoughError(line)

    started = time.monotonic()
    with pytest.raises(EnoughError, match="begun"):
        run(["sh", "-c", "echo begun >&2; sleep 60"], 100, enough)
    assert time.monotonic() - started < 30


def test_programs_that_are_not_there() -> None:
    with pytest.raises(DemandError, match="no-such-program is not there"):
        run(["no-such-program"], 60)
