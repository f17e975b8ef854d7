"""Programs that builds need: they have their time, are heard line by line, and end when nobody wants them any more."""

import os
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from lamella.server.demand.errors import DemandError

Log = Callable[[str], None]
_LINES = 20


class ProgramError(DemandError):
    """A program that builds an image, or fetches what it is made of, has failed."""


def silent(_: str) -> None:
    """Nobody listens."""


def run(command: Sequence[str], seconds: float, log: Log = silent) -> str:
    """What a program says on stdout; `log` hears each line of its stderr, and may end it by raising something."""
    said: deque[str] = deque(maxlen=_LINES)
    late = threading.Event()
    with tempfile.TemporaryFile("w+") as out:
        with _started(command, out.fileno()) as running:

            def stop() -> None:
                late.set()
                _end(running)

            timer = threading.Timer(seconds, stop)
            timer.start()
            try:
                _listen(running, said, log)
            except BaseException:
                _end(running)
                raise
            finally:
                timer.cancel()
        if late.is_set():
            why = f"it took longer than {seconds:g} seconds, and was ended"
            raise ProgramError(why, [*said, f"error: {why}"])
        if running.returncode:
            raise ProgramError(said[-1] if said else "it said nothing", said)
        out.seek(0)
        return out.read()


def _started(command: Sequence[str], out: int) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            errors="replace",
            start_new_session=True,
            umask=0o022,  # what it writes shall be the same on every machine
        )
    except OSError as error:
        raise DemandError(f"{command[0]} is not there ({error.strerror}); install it on this server") from error


def _listen(running: subprocess.Popen[str], said: deque[str], log: Log) -> None:
    assert running.stderr
    for line in running.stderr:
        text = line.rstrip()
        if text:
            said.append(text)
            log(text)
    running.wait()


def _end(running: subprocess.Popen[str]) -> None:
    """Ends the program and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGTERM)
