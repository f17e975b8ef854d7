"""Programs that builds need: they have their time, are heard line by line, and end when nobody wants them any more.

They stay in the group of whoever runs them, and so end with a worker that is killed.
"""

import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence

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
                running.terminate()

            timer = threading.Timer(seconds, stop)
            timer.start()
            try:
                _listen(running, said, log)
            except BaseException:
                running.terminate()
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
